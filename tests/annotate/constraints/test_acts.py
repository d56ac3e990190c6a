"""What a person did to constraints is taken back, exactly, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions, acts
from annotate.constraints.models import Act, Constraint, Member
from annotate.judgments.models import Judgment
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(ada: User) -> Campaign:
    return factories.campaign("helpdesk", by=ada)


@pytest.fixture
def three(campaign: Campaign) -> list[Constraint]:
    """One whose members a person pinned, one that takes the rest of its tag, and one drafted candidate."""
    pinned = rows.constraint(campaign, "first", members=3, is_pinned=True)
    rest = rows.constraint(campaign, "rest", members=4, state="candidate")
    Constraint.objects.filter(pk=rest.pk).update(is_residual=True)
    rest.refresh_from_db()
    return [pinned, rest, rows.constraint(campaign, "third", members=5, state="candidate")]


def world(campaign: Campaign) -> Any:
    """Everything that an act may change and an undo has to put back; what a split made is retired and empty."""
    kept = Constraint.objects.filter(campaign=campaign).exclude(state="retired", member_count=0, merged_into=None)
    members = Member.objects.filter(constraint__campaign=campaign).order_by("violation_id")
    return (
        list(kept.order_by("id").values_list("id", "member_count", *acts.FIELDS)),
        list(members.values_list("violation_id", "constraint_id", "is_pinned", "similarity")),
    )


def undo(campaign: Campaign, by: User) -> Act:
    return acts.undo(campaign=campaign, by=by, now=NOW)


ACTS: dict[str, Callable[..., Any]] = {
    "merge": lambda one, rest, third, by: actions.merge(into=one, others=[rest, third], by=by, now=NOW),
    "rename": lambda one, rest, third, by: actions.rename(constraint=third, statement="better", by=by, now=NOW),
    "split": lambda one, rest, third, by: actions.split(
        constraint=one, violation_ids=rows.violations(one)[:2], statement="", by=by, now=NOW
    ),
    "move": lambda one, rest, third, by: actions.move(
        constraint=one, violation_ids=rows.violations(one)[:1], into=third, by=by, now=NOW
    ),
    "accept": lambda one, rest, third, by: actions.accept(constraint=third, by=by, now=NOW),
    "dismiss": lambda one, rest, third, by: actions.dismiss(constraint=one, by=by, now=NOW),
    "reopen": lambda one, rest, third, by: actions.reopen(constraint=one, by=by, now=NOW),
    "bulk": lambda one, rest, third, by: actions.decide(
        campaign=one.campaign, constraint_ids=[one.pk, rest.pk, third.pk], state="dismissed", by=by, now=NOW
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_undo_puts_everything_back(campaign: Campaign, ada: User, three: list[Constraint], name: str) -> None:
    before = world(campaign)
    ACTS[name](*three, ada)
    assert world(campaign) != before
    undo(campaign, ada)
    assert world(campaign) == before


def test_undo_goes_back_step_by_step(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    states = [world(campaign)]
    for name in ("rename", "move", "merge"):
        for each in three:
            each.refresh_from_db()
        ACTS[name](*three, ada)
        states.append(world(campaign))
    while states[1:]:
        assert world(campaign) == states.pop()
        undo(campaign, ada)
    assert world(campaign) == states[0]
    with pytest.raises(acts.NothingToUndo):
        undo(campaign, ada)
    assert Act.objects.count() == 6


def test_undo_is_for_ones_own_acts(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    actions.accept(constraint=three[2], by=ada, now=NOW)
    bob = factories.member(campaign, "reviewer")
    assert acts.last(campaign=campaign, by=bob) is None
    with pytest.raises(acts.NothingToUndo):
        undo(campaign, bob)


def test_undo_of_the_act_meant_only(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    """A key pressed twice takes back one act, not two."""
    for name in ("rename", "move"):
        ACTS[name](*three, ada)
    meant = acts.last(campaign=campaign, by=ada)
    assert meant is not None
    acts.undo(campaign=campaign, by=ada, now=NOW, act_id=meant.pk)
    with pytest.raises(acts.NothingToUndo):
        acts.undo(campaign=campaign, by=ada, now=NOW, act_id=meant.pk)
    assert Constraint.objects.get(pk=three[2].pk).statement == "better"


@pytest.mark.parametrize(
    ("done", "since"),
    [
        ("rename", lambda one, rest, third, by: actions.rename(constraint=third, statement="best", by=by, now=NOW)),
        ("merge", lambda one, rest, third, by: actions.dismiss(constraint=one, by=by, now=NOW)),
        ("accept", lambda one, rest, third, by: actions.reopen(constraint=third, by=by, now=NOW)),
        ("move", lambda one, rest, third, by: actions.merge(into=rest, others=[third], by=by, now=NOW)),
    ],
)
def test_undo_is_refused_when_somebody_changed_it_since(
    campaign: Campaign, ada: User, three: list[Constraint], done: str, since: Any
) -> None:
    bob = factories.member(campaign, "reviewer")
    ACTS[done](*three, ada)
    since(*three, bob)
    before = world(campaign)
    if done == "merge":  # the survivor's state is none of the merge's business
        undo(campaign, ada)
        assert Constraint.objects.get(pk=three[0].pk).state == "dismissed"
        return
    with pytest.raises(acts.CannotUndo, match=r"since|moved on"):
        undo(campaign, ada)
    assert world(campaign) == before


def test_undo_of_a_split_is_refused_once_others_were_put_there(
    campaign: Campaign, ada: User, three: list[Constraint]
) -> None:
    one, _, third = three
    made = ACTS["split"](*three, ada)
    bob = factories.member(campaign, "reviewer")
    actions.move(constraint=third, violation_ids=rows.violations(third)[:1], into=made, by=bob, now=NOW)
    with pytest.raises(acts.CannotUndo, match="Other members were put into"):
        undo(campaign, ada)
    assert one.members.count() == 1


def test_undo_of_a_split_takes_along_what_joined_by_itself(
    campaign: Campaign, ada: User, three: list[Constraint]
) -> None:
    made = ACTS["split"](*three, ada)
    judged = factories.judgment(factories.output(campaign), violations=[{"tag": "invented-fact", "critique": "first"}])
    Member.objects.create(constraint=made, violation=judged.violations.get())
    undo(campaign, ada)
    assert three[0].members.count() == 4
    assert not three[0].members.get(violation=judged.violations.get()).is_pinned
    made.refresh_from_db()
    assert (made.state, made.merged_into_id, made.member_count) == ("retired", None, 0)


def test_undo_does_not_mind_a_withdrawn_judgment(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    ACTS["merge"](*three, ada)
    gone = rows.violations(three[0])[-1]
    Judgment.objects.filter(violations=gone).update(is_current=False)
    Member.objects.filter(violation=gone).delete()
    undo(campaign, ada)
    assert [Constraint.objects.get(pk=each.pk).member_count for each in three] == [3, 4, 4]


def test_a_split_in_an_approved_set_says_where_it_went(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    made = actions.split(
        constraint=three[0], violation_ids=rows.violations(three[0])[:1], statement="apart", by=ada, now=NOW
    )
    bob = factories.member(campaign, "reviewer")
    actions.accept(constraint=made, by=bob, now=NOW)
    actions.approve(campaign=campaign, by=bob, now=NOW)
    actions.reopen(constraint=made, by=bob, now=NOW)
    undo(campaign, ada)
    made.refresh_from_db()
    assert made.merged_into == three[0]


def test_the_record_is_only_added_to(campaign: Campaign, ada: User, three: list[Constraint]) -> None:
    ACTS["move"](*three, ada)
    act = Act.objects.get()
    changes: list[Callable[[], Any]] = [
        lambda: Act.objects.update(verb="x"),
        lambda: act.members.update(is_pinned=False),
    ]
    for change in changes:
        with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
            change()


def test_what_nobody_did_is_not_recorded(campaign: Campaign, three: list[Constraint]) -> None:
    actions.merge(into=three[0], others=[three[2]], by=None, now=NOW)
    assert not Act.objects.exists()
