"""Rounds are drawn once and bounded; questions are given out once per person, answered once per key, taken back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.constraints.models import Constraint
from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.intake.models import ImportBatch
from annotate.verification import actions, policy
from annotate.verification.models import Answer, Item, Round, Turn
from tests import factories
from tests.annotate.verification import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + policy.LASTS + policy.OVERDUE_GRACE + timedelta(seconds=1)


@pytest.fixture
def campaign() -> Campaign:
    return rows.world()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return factories.member(campaign)


@pytest.fixture
def ben(campaign: Campaign) -> User:
    return factories.member(campaign)


def test_start_draws_tagged_and_other_outputs_in_scattered_order(campaign: Campaign) -> None:
    made = rows.start(campaign, tagged=2, random=4)
    items = list(Item.objects.filter(round=made).order_by("place"))
    assert [item.place for item in items] == list(range(6))
    assert (made.tagged_count, made.random_count) == (2, 4)
    assert sum(item.is_tagged for item in items) == 2
    assert all(item.is_tagged == ("198" in item.output.text) for item in items)
    assert made.statement == rows.STATEMENT


def test_start_takes_what_there_is(campaign: Campaign) -> None:
    made = rows.start(campaign, tagged=100, random=100)
    assert (made.tagged_count, made.random_count, made.items.count()) == (3, 5, 8)


def test_start_draws_the_same_again_with_the_same_seed(campaign: Campaign) -> None:
    drawn = []
    for seed in (1, 1, 2):
        made = rows.start(campaign, tagged=2, random=3, seed=seed)
        drawn.append(list(made.items.order_by("place").values_list("output_id", flat=True)))
        actions.close(round=made, by=factories.admin_of(campaign), now=NOW)
    assert drawn[0] == drawn[1] != drawn[2]


def test_start_leaves_out_gold_and_withdrawn_judgments(campaign: Campaign) -> None:
    gold = factories.batch(campaign, purpose=ImportBatch.Purpose.GOLD)
    known = factories.output(campaign, "Known", batch=gold, is_queued=False)
    judgment = rows.constraint(campaign).members.order_by("pk")[0].violation.judgment
    judgment.is_current = False
    judgment.save()
    made = rows.start(campaign, tagged=10, random=10)
    assert made.tagged_count == 2
    assert made.random_count == 6
    assert not made.items.filter(output=known).exists()


@pytest.mark.parametrize(
    "sizes",
    [
        {"tagged": -1},
        {"random": 0},
        {"random": policy.OUTPUTS_AT_MOST, "tagged": 1},
        {"overlap": 0},
        {"overlap": policy.OVERLAP_AT_MOST + 1},
    ],
)
def test_start_refuses_sizes_out_of_bounds(campaign: Campaign, sizes: dict[str, int]) -> None:
    with pytest.raises(actions.SizeRefused):
        rows.start(campaign, **sizes)
    assert not Round.objects.exists()


def test_start_twice_is_one_round(campaign: Campaign) -> None:
    first = rows.start(campaign)
    with pytest.raises(actions.AlreadyOpen):
        rows.start(campaign)
    assert list(Round.objects.all()) == [first]


def test_start_refuses_a_retired_constraint(campaign: Campaign) -> None:
    Constraint.objects.filter(campaign=campaign).update(state="retired")
    with pytest.raises(actions.ConstraintRetired):
        rows.start(campaign)


def test_start_refuses_more_open_rounds_than_may_be(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "OPEN_AT_MOST", 1)
    rows.start(campaign)
    other = rows.constraint(campaign)
    other.pk = None
    other.save()
    with pytest.raises(actions.TooManyOpen):
        actions.start(constraint=other, by=factories.user(), now=NOW, tagged=0, random=1, overlap=1)


def test_start_without_outputs_says_so() -> None:
    campaign = rows.world("tiny", tagged=1, others=0)
    with pytest.raises(RuleError):
        actions.start(constraint=rows.constraint(campaign), by=factories.user(), now=NOW, tagged=0, random=1, overlap=1)
    assert not Round.objects.exists()


def test_close_hands_out_no_more_and_keeps_what_is_under_way(campaign: Campaign, ada: User, ben: User) -> None:
    made = rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    for _ in range(2):
        closed = actions.close(round=made, by=factories.admin_of(campaign), now=NOW)
    assert (closed.state, closed.closed_at) == ("closed", NOW)
    assert rows.take(campaign, ben) == []
    assert rows.say(turn).is_current
    with pytest.raises(actions.RoundClosed):
        rows.say(turn, "not_violated")
    with pytest.raises(actions.RoundClosed):
        actions.undo(token=turn.token, annotator=ada, now=NOW)
    assert Answer.objects.get().answer == "violated"


def test_hand_out_gives_every_item_once_and_never_beyond_the_overlap(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign, overlap=2)
    carol = factories.member(campaign)
    seen: dict[User, list[int]] = {}
    for person in (ada, ben, carol):
        while turns := rows.take(campaign, person, wanted=3):
            for turn in turns:
                seen.setdefault(person, []).append(turn.item_id)
                rows.say(turn)
    assert {person: len(set(items)) == len(items) == 8 for person, items in seen.items()} == {ada: True, ben: True}
    assert set(Item.objects.values_list("taken_count", "answered_count")) == {(2, 2)}


def test_hand_out_returns_the_open_ones_first_and_tops_up(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    first = rows.take(campaign, ada, wanted=2)
    again = rows.take(campaign, ada, wanted=4, now=NOW + timedelta(minutes=1))
    assert [turn.token for turn in again[:2]] == [turn.token for turn in first]
    assert len(again) == 4
    assert {turn.expires_at for turn in again} == {NOW + timedelta(minutes=1) + policy.LASTS}
    assert len(rows.take(campaign, ada, wanted=1)) == 4
    assert len(rows.take(campaign, ada, wanted=100)) == policy.HELD_AT_MOST


def test_hand_out_refuses_who_may_not_judge(campaign: Campaign) -> None:
    rows.start(campaign)
    for person in (factories.user(), factories.member(campaign, "researcher")):
        with pytest.raises(NotAllowed):
            rows.take(campaign, person)
    assert not Turn.objects.exists()


def test_hand_out_rests_with_the_campaign(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    stale = Campaign.objects.get(pk=campaign.pk)
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    assert rows.take(stale, ada) == []
    campaign.refresh_from_db()
    with pytest.raises(actions.CampaignNotActive):
        rows.take(campaign, ada)


def test_hand_out_goes_on_with_the_next_round(campaign: Campaign, ada: User) -> None:
    rows.start(campaign, tagged=0, random=1)
    other = rows.constraint(campaign)
    other.pk, other.statement = None, "Another"
    other.save()
    actions.start(constraint=other, by=factories.user(), now=NOW, tagged=0, random=1, overlap=1)
    turns = rows.take(campaign, ada, wanted=5)
    assert [turn.round.statement for turn in turns] == [rows.STATEMENT, "Another"]


def test_what_lapsed_comes_back_without_a_sweep(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign, tagged=0, random=1)
    [turn] = rows.take(campaign, ada)
    assert rows.take(campaign, ben) == []
    [taken] = rows.take(campaign, ben, now=LATER)
    assert taken.item_id == turn.item_id
    turn.refresh_from_db()
    assert turn.state == "expired"


def test_sweep_gives_back_what_ran_out_and_nothing_else(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign)
    old = rows.take(campaign, ada, wanted=2)
    rows.say(old[0])
    rows.take(campaign, ben, now=LATER)
    assert [actions.expire_overdue(now=LATER) for _ in range(2)] == [1, 0]
    assert sum(Item.objects.values_list("taken_count", flat=True)) == 2
    again = rows.take(campaign, ada, now=LATER, wanted=6)
    assert old[1].token in [turn.token for turn in again]


def test_answer_is_stored_with_what_was_shown(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    made = rows.say(turn, "cannot_tell", now=NOW + timedelta(seconds=30), seconds=2.5)
    assert (made.answer, made.seconds, made.revision, made.is_current) == ("cannot_tell", 2.5, 1, True)
    assert (made.item_id, made.annotator, made.prompt_shown) == (turn.item_id, ada, "as_written")


def test_answer_with_the_same_key_is_the_same_answer(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    key = uuid4()
    assert rows.say(turn, key=key) == rows.say(turn, "not_violated", key=key)
    item = Item.objects.get(pk=turn.item_id)
    assert (Answer.objects.count(), item.answered_count, item.taken_count) == (1, 1, 1)


def test_answer_with_another_key_is_a_change_of_mind(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    rows.say(turn)
    rows.say(turn, "not_violated")
    said = list(Answer.objects.order_by("revision").values_list("answer", "is_current", "withdrawn_at"))
    assert said == [("violated", False, None), ("not_violated", True, None)]
    assert Item.objects.get(pk=turn.item_id).answered_count == 1


def test_answer_must_be_one_of_three(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    with pytest.raises(actions.AnswerUnknown):
        rows.say(turn, "maybe")


def test_a_turn_is_its_annotators_alone(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    turn.annotator = ben
    with pytest.raises(NotFound):
        rows.say(turn)
    with pytest.raises(NotFound):
        actions.undo(token=turn.token, annotator=factories.superuser(), now=NOW)
    assert actions.release(tokens=[turn.token], annotator=ben) == 0
    Membership.objects.filter(user=ada).delete()
    turn.annotator = ada
    with pytest.raises(NotFound):
        rows.say(turn)


def test_a_late_answer_is_kept_as_surplus_when_its_slot_is_gone(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign, tagged=0, random=1)
    [turn] = rows.take(campaign, ada)
    [other] = rows.take(campaign, ben, now=LATER)
    late = rows.say(turn, now=LATER)
    assert late.is_surplus
    assert not rows.say(other, now=LATER).is_surplus
    assert Item.objects.values_list("taken_count", "answered_count").get() == (1, 1)
    undone = actions.undo(token=turn.token, annotator=ada, now=LATER)
    assert undone.state == "expired"
    assert rows.say(turn, now=LATER).is_surplus


def test_a_late_answer_takes_its_slot_back_while_one_is_free(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    actions.expire_overdue(now=LATER)
    assert not rows.say(turn, now=LATER).is_surplus
    assert Item.objects.filter(pk=turn.item_id).values_list("taken_count", "answered_count").get() == (1, 1)


def test_undo_opens_the_question_again_in_its_slot(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign, tagged=0, random=1)
    [turn] = rows.take(campaign, ada)
    key = uuid4()
    rows.say(turn, key=key)
    for _ in range(2):
        assert actions.undo(token=turn.token, annotator=ada, now=NOW).state == "open"
    assert Answer.objects.values_list("is_current", "withdrawn_at").get() == (False, NOW)
    assert rows.take(campaign, ben) == []
    assert rows.say(turn, key=key).withdrawn_at == NOW  # the first one, arriving again
    assert not Answer.objects.filter(is_current=True).exists()
    assert rows.say(turn, "not_violated").revision == 2
    assert Item.objects.values_list("taken_count", "answered_count").get() == (1, 1)


def test_undo_of_an_earlier_answer_leaves_the_later_one(campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    first, second = uuid4(), uuid4()
    rows.say(turn, key=first)
    rows.say(turn, "not_violated", key=second)
    actions.undo(token=turn.token, annotator=ada, now=NOW, said=first)
    assert Answer.objects.get(is_current=True).answer == "not_violated"
    actions.undo(token=turn.token, annotator=ada, now=NOW, said=second)
    assert not Answer.objects.filter(is_current=True).exists()


def test_release_gives_open_turns_back_once(campaign: Campaign, ada: User, ben: User) -> None:
    rows.start(campaign, tagged=0, random=2)
    turns = rows.take(campaign, ada, wanted=2)
    rows.say(turns[0])
    tokens = [turn.token for turn in turns] + [uuid4()]
    assert [actions.release(tokens=tokens, annotator=ada) for _ in range(2)] == [1, 0]
    assert [turn.item_id for turn in rows.take(campaign, ben)] == [turns[1].item_id]


def test_the_twin_of_the_campaigns_stance_is_shown_and_recorded(campaign: Campaign, ada: User) -> None:
    for output in campaign.outputs.select_related("prompt"):
        output.prompt.twins = {"masked": {"text": "Masked?", "messages": []}}
        output.prompt.save()
    campaign.stance = "masked"
    campaign.save()
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    assert turn.item.output.prompt.shown(turn.stance) == ("Masked?", [])
    assert rows.say(turn).prompt_shown == "masked"


@pytest.mark.parametrize(("told", "kept"), [(None, 30.0), (2.5, 2.5), (-1, 0.0), (1e9, 30.0), (float("nan"), 30.0)])
def test_seconds_are_what_the_page_measured_and_never_more_than_there_were(told: Any, kept: float) -> None:
    assert policy.seconds(told=told, given_at=NOW, now=NOW + timedelta(seconds=30)) == kept


def test_next_and_answer_cost_the_same_at_the_beginning_and_at_the_end() -> None:
    campaign = rows.world("long", tagged=2, others=30)
    ada = factories.member(campaign)
    rows.start(campaign, tagged=2, random=30, overlap=3)
    counts = set()
    for _ in range(32):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            [turn] = rows.take(campaign, ada)
        with CaptureQueriesContext(connection) as said:
            rows.say(turn)
        counts.add((_statements(asked), _statements(said)))
    assert counts == {(5, 7)}


def _statements(found: CaptureQueriesContext) -> int:
    return len([each for each in found if "SAVEPOINT" not in each["sql"]])
