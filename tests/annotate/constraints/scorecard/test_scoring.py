"""Scorecards measured from stored judgments: what counts, what is left out, when the sweep comes, what it costs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.models import Constraint, Member
from annotate.constraints.scorecard import reading, scoring
from annotate.constraints.scorecard.models import Scorecard, Scoring
from annotate.intake.models import Output
from annotate.judgments.models import Judgment, Violation
from annotate.quality import gold
from annotate.verification import answered
from annotate.verification.models import Answer, Round, Turn
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.annotate.verification import rows
from tests.factories import NOW
from worker.tasks import scorecards

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk")


@pytest.fixture
def people() -> list[User]:
    return [factories.user("ada"), factories.user("ben")]


def constraint(campaign: Campaign, **fields: Any) -> Constraint:
    values: dict[str, Any] = {
        "tag_slug": "invented-fact",
        "kind": "factual",
        "state": "accepted",
        "statement": "Invents a fact",
        **fields,
    }
    found: Constraint = Constraint.objects.create(campaign=campaign, created_at=NOW, updated_at=NOW, **values)
    return found


Said = tuple[Output, dict[str, list[Constraint]]]


def judged(said: list[Said], people: list[User], **fields: Any) -> None:
    """Everybody judges each output, one after the other; by username, in which constraints their violations are."""
    campaign = said[0][0].campaign
    tag = factories.tag(campaign)
    judgments = [
        Judgment(
            campaign=campaign,
            output=output,
            annotator=person,
            tag_set=tag.tag_set,
            verdict="rejected" if seen.get(person.username) else "nothing_wrong",
            created_at=fields.get("at", NOW) + timedelta(hours=number),
        )
        for number, (output, seen) in enumerate(said)
        for person in people
    ]
    Judgment.objects.bulk_create(judgments)
    found = [
        (each, Violation(judgment=made, tag=tag, scope="whole", text_sha256="0"))
        for made, seen in zip(judgments, [seen for _, seen in said for _ in people], strict=True)
        for each in seen.get(made.annotator.username, [])
    ]
    Violation.objects.bulk_create(violation for _, violation in found)
    Member.objects.bulk_create(Member(constraint=each, violation=violation) for each, violation in found)


def measure(campaign: Campaign) -> dict[int, dict[str, Any]]:
    scorecards.measure(campaign.pk)
    return {each.pk: each.figures for each in Scorecard.objects.filter(constraint__campaign=campaign)}


def outputs(campaign: Campaign, count: int, **fields: Any) -> list[Output]:
    return factories.outputs(campaign, *[f"{number} {'x' * number}" for number in range(count)], **fields)


def test_measure_counts_votes_and_consensus(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)
    seen = [{"ada": [found] * (number < 24), "ben": [found] * (number < 20)} for number in range(40)]
    judged(list(zip(outputs(campaign, 40), seen, strict=True)), people)
    card = measure(campaign)[found.pk]
    assert (card["rate"]["value"], card["rate"]["count"]) == (0.5, 40)
    assert (card["tagging"]["outputs"], card["tagging"]["seen"]) == (40, 24)
    assert card["tagging"]["decisive"]["value"] == pytest.approx(20 / 24)
    assert card["tagging"]["alpha"]["count"] == 40
    place = Scoring.objects.get()
    assert (place.output_count, place.judgment_count, place.counted) == (40, 80, ["person", "external"])
    assert place.last_judgment_id == Judgment.objects.order_by("-pk")[0].pk
    assert place.measured_at is not None


def test_one_person_with_two_violations_has_one_vote(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)
    judged([(output, {"ada": [found, found]}) for output in outputs(campaign, 20)], people)
    card = measure(campaign)[found.pk]
    assert (card["tagging"]["seen"], card["tagging"]["decisive"]["value"]) == (20, 0.0)
    assert card["rate"]["value"] == 0.0, "a tie is no majority"


def test_left_out_are_gold_programs_replaced_judgments_and_who_cannot_tell(
    campaign: Campaign, people: list[User]
) -> None:
    found = constraint(campaign)
    judged([(outputs(campaign, 1, is_gold=True)[0], {"ada": [found], "ben": [found]})], people)
    one, two = outputs(campaign, 2)
    judged([(one, {"bot": [found]})], [*people, factories.user("bot", kind="script")])
    judged([(two, {"ada": [found]})], people)
    Judgment.objects.filter(output=two, annotator=people[0]).update(is_current=False)
    factories.judgment(two, "cannot_tell", annotator=people[0], revision=2)
    card = measure(campaign)[found.pk]
    assert (card["tagging"]["outputs"], card["tagging"]["seen"], card["rate"]["count"]) == (1, 0, 2)
    place = Scoring.objects.get()
    assert (place.output_count, place.judgment_count, place.cannot_tell_count) == (2, 4, 1)


def test_programs_count_where_no_person_judged(campaign: Campaign) -> None:
    found, bot = constraint(campaign), factories.user("bot", kind="script")
    judged([(outputs(campaign, 1)[0], {"bot": [found]})], [bot])
    assert measure(campaign)[found.pk]["rate"]["count"] == 1
    assert Scoring.objects.get().counted == ["script", "model"]


def test_contexts_are_import_model_language_length_and_time(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)
    for model, language, days in (("a", "en", 0), ("b", "de", 9)):
        made = outputs(campaign, 30, model=model)
        Output.objects.filter(model=model).update(meta={"lang": language})
        seen = [[found] * (model == "a" and number < 15) for number in range(30)]
        said = [(output, {"ada": each, "ben": each}) for output, each in zip(made, seen, strict=True)]
        judged(said, people, at=NOW + timedelta(days=days))
    dimensions = {each["name"]: each for each in measure(campaign)[found.pk]["dimensions"]}
    assert list(dimensions) == ["import", "model", "language", "length", "time"]
    for name in ("import", "model", "language"):
        contexts = dimensions[name]["contexts"]
        assert sorted((each["rate"]["value"], each["rate"]["count"]) for each in contexts) == [(0, 30), (0.5, 30)]
        assert dimensions[name]["rate"]["adjusted"] < 0.001
    assert {each["label"] for each in dimensions["model"]["contexts"]} == {"a", "b"}
    assert [each["rate"]["count"] for each in dimensions["length"]["contexts"]] == [20, 20, 20]
    assert [each["rate"]["count"] for each in dimensions["time"]["contexts"]] == [15, 15, 15, 15]
    assert [each["rate"]["value"] for each in dimensions["time"]["contexts"]] == [None] * 4, "fifteen are too few"
    assert dimensions["length"]["contexts"][0]["label"].startswith("up to ")
    assert Scorecard.objects.get().verdicts["stable"] == "bad"


def test_rare_contexts_are_one(campaign: Campaign, people: list[User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PARTS_AT_MOST", 2)
    found = constraint(campaign)
    for model, count in (("a", 5), ("b", 4), ("c", 2), ("d", 1)):
        judged([(output, {"ada": [found]}) for output in outputs(campaign, count, model=model)], people)
    contexts = measure(campaign)[found.pk]["dimensions"][1]["contexts"]
    assert [(each["label"], each["rate"]["count"]) for each in contexts] == [("a", 5), ("b", 4), ("others", 3)]


def test_pairs_that_go_together_are_partners(campaign: Campaign, people: list[User]) -> None:
    one, other = constraint(campaign), constraint(campaign, tag_slug="contradicts-itself")
    seen = [[each for each, most in ((one, 40), (other, 60)) if number < most] for number in range(100)]
    made = zip(outputs(campaign, 100), seen, strict=True)
    judged([(output, {"ada": each, "ben": each}) for output, each in made], people)
    cards = measure(campaign)
    [partner] = cards[one.pk]["partners"]
    assert (partner["other"], partner["together"], partner["implies"], partner["is_implied"]) == (
        other.pk,
        40,
        True,
        False,
    )
    assert cards[other.pk]["partners"][0]["is_implied"]


def answer_all(made: Round, people: list[User]) -> None:
    """Each says of every item whether it was tagged."""
    turns = Turn.objects.bulk_create(
        Turn(round=made, item=item, annotator=person, place=item.place, given_at=NOW, expires_at=NOW)
        for item in made.items.all()
        for person in people
    )
    said = {True: "violated", False: "not_violated"}
    Answer.objects.bulk_create(
        Answer(
            item=turn.item,
            annotator=turn.annotator,
            turn=turn,
            answer=said[turn.item.is_tagged],
            idempotency_key=turn.token,
            created_at=NOW,
        )
        for turn in turns
    )


def test_verify_mode_and_retests_come_from_the_rounds() -> None:
    campaign = rows.world(tagged=3, others=17)
    found = rows.constraint(campaign)
    people = [factories.user(name) for name in ("ada", "ben")]
    for _ in range(2):
        made = rows.start(campaign, tagged=3, random=17, overlap=2)
        answer_all(made, people)
        Round.objects.filter(pk=made.pk).update(state="closed", closed_at=NOW)
    card = measure(campaign)[found.pk]
    assert (card["verify"]["outputs"], card["verify"]["seen"]) == (20, 3)
    assert (card["verify"]["decisive_all"]["value"], card["verify"]["cannot_tell"]["count"]) == (1.0, 20)
    assert (card["retest"]["value"], card["retest"]["count"]) == (1.0, 40)
    assert answered.last_answers()[campaign.pk] > 0


def test_only_accepted_and_candidates_have_cards(campaign: Campaign) -> None:
    kept = [constraint(campaign).pk, constraint(campaign, state="candidate", tag_slug="contradicts-itself").pk]
    gone = constraint(campaign, tag_slug="ignores-instruction")
    assert set(measure(campaign)) == {*kept, gone.pk}
    actions.dismiss(constraint=gone, by=None, now=LATER)
    assert set(measure(campaign)) == set(kept)
    assert [each.pk for each in scoring.by_support(campaign=campaign)] == kept


def test_by_support_goes_on_after_a_key(campaign: Campaign) -> None:
    slugs = ("invented-fact", "contradicts-itself", "ignores-instruction")
    made = [
        constraint(campaign, tag_slug=slug, member_count=count) for slug, count in zip(slugs, (2, 9, 2), strict=True)
    ]
    assert [each.pk for each in scoring.by_support(campaign=campaign)] == [made[1].pk, made[0].pk, made[2].pk]
    assert [each.pk for each in scoring.by_support(campaign=campaign, after=(2, made[0].pk))] == [made[2].pk]


def waiting(now: Any) -> list[int]:
    return scoring.waiting_campaign_ids(now=now, last_answers=answered.last_answers())


def test_the_sweep_comes_once_for_every_change_after_a_rest(campaign: Campaign, people: list[User]) -> None:
    factories.campaign("empty")
    assert waiting(NOW) == []
    found = constraint(campaign)
    [output] = outputs(campaign, 1)
    assert waiting(NOW) == [campaign.pk]
    scoring.measure(campaign_id=campaign.pk, now=NOW)
    assert waiting(LATER) == []
    judged([(output, {"ada": [found]})], people)
    assert waiting(NOW) == [], "it was measured just now"
    assert waiting(LATER) == [campaign.pk]
    scoring.measure(campaign_id=campaign.pk, now=NOW)
    assert waiting(LATER) == []
    actions.rename(constraint=found, statement="Invents a number", by=people[0], now=LATER)
    assert waiting(LATER) == [campaign.pk]


def test_an_answer_in_verify_mode_is_a_change() -> None:
    campaign = rows.world()
    rows.start(campaign)
    scorecards.measure(campaign.pk)
    Scoring.objects.update(measured_at=NOW)
    assert waiting(LATER) == []
    rows.say(rows.take(campaign, factories.member(campaign))[0])
    assert waiting(LATER) == [campaign.pk]


def test_a_long_measurement_rests_long(campaign: Campaign) -> None:
    constraint(campaign)
    scoring.measure(campaign_id=campaign.pk, now=NOW)
    Scoring.objects.update(seconds=600, fingerprint="another")
    assert waiting(NOW + timedelta(minutes=199)) == []
    assert waiting(NOW + timedelta(minutes=200)) == [campaign.pk]


def test_measure_twice_equals_once(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)
    judged([(each, {"ada": [found], "ben": [found] * (each.pk % 2)}) for each in outputs(campaign, 30)], people)
    assert measure(campaign) == measure(campaign)
    assert (Scoring.objects.count(), Scorecard.objects.count()) == (1, 1)


def test_measure_leaves_other_campaigns_alone(campaign: Campaign, people: list[User]) -> None:
    other = factories.campaign("other")
    mine, theirs = constraint(campaign), constraint(other)
    for each, found in ((campaign, mine), (other, theirs)):
        judged([(outputs(each, 1)[0], {"ada": [found]})], people)
    assert list(measure(campaign)) == [mine.pk]
    assert Scoring.objects.get(campaign=campaign).output_count == 1


def test_statements_do_not_grow_with_judgments(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            scoring.measure(campaign_id=campaign.pk, now=NOW)
        return len(captured)

    judged([(outputs(campaign, 1)[0], {"ada": [found]})], people)
    count()
    before = count()
    judged([(each, {"ada": [found]}) for each in outputs(campaign, 20)], people)
    assert count() == before
    assert Violation.objects.count() == 21


def test_assisted_judgments_are_measured_apart(campaign: Campaign, people: list[User]) -> None:
    found = constraint(campaign)
    made = outputs(campaign, 40)
    judged([(output, {"ada": [found]}) for output in made[:20]], people)
    before = measure(campaign)[found.pk]
    assert before["tagging_assisted"]["outputs"] == 0
    judged([(output, {"ada": [found], "ben": [found]}) for output in made[20:]], people)
    Judgment.objects.filter(output__in=made[20:]).update(is_assisted=True)
    after = measure(campaign)[found.pk]
    assert (after["tagging_assisted"]["outputs"], after["tagging_assisted"]["seen"]) == (20, 20)
    assert after["tagging_assisted"]["decisive"]["value"] == 1.0
    assert {**after, "tagging_assisted": 0} == {**before, "tagging_assisted": 0}, "nothing else rests on them"
    place = Scoring.objects.get()
    assert (place.judgment_count, place.assisted_count) == (40, 40)


def test_assisted_answers_are_measured_apart(people: list[User]) -> None:
    campaign = rows.world(tagged=1, others=25)
    rows.start(campaign, tagged=1, random=25, overlap=2)
    for person in [factories.member(campaign), factories.member(campaign)]:
        for _ in range(26):
            [turn] = rows.take(campaign, person)
            rows.say(turn)
    Answer.objects.filter(item__place__lt=21).update(is_assisted=True)
    card = measure(campaign)[rows.constraint(campaign).pk]
    assert (card["verify"]["outputs"], card["verify_assisted"]["outputs"]) == (5, 21)
    assert (card["verify"]["decisive"]["value"], card["verify_assisted"]["decisive"]["value"]) == (None, 1.0)


def test_a_card_has_its_checks_precision_and_recall() -> None:
    """A check that ran and was weighed: of 27 outputs that it marked 24 are violated, and it missed 6 of 30."""
    campaign = checks.world(hits=24, alarms=3, misses=6, clear=20)
    found = checks.constraint(campaign)
    assert measure(campaign)[found.pk]["check_precision"] is None, "no check"
    life = checks.saved(campaign)
    assert measure(campaign)[found.pk]["check_precision"] is None, "a draft was never weighed"
    checks.run(checks.step(life, "shadow"))
    card = measure(campaign)[found.pk]
    assert (card["check_precision"]["value"], card["check_precision"]["count"]) == (pytest.approx(24 / 27), 27)
    assert (card["check_recall"]["value"], card["check_recall"]["count"]) == (0.8, 30)
    low, high = gold.wilson(24, 27) or (0, 0)
    assert (card["check_precision"]["low"], card["check_precision"]["high"]) == (low, high)
    checks.step(checks.run(life), "retired")
    assert measure(campaign)[found.pk]["check_precision"] is None, "a retired check says nothing any more"


def test_a_checks_new_counts_call_the_sweep() -> None:
    campaign = checks.world(hits=24)
    life = checks.shadow(campaign)
    scoring.measure(campaign_id=campaign.pk, now=NOW)
    assert scoring.waiting_campaign_ids(now=LATER, last_answers={}) == []
    checks.judge(checks.output(campaign, "Bloom came out in 1999."), factories.user(), is_marked=True)
    scoring.measure(campaign_id=campaign.pk, now=NOW)
    checks.group(campaign)
    checks.run(life)
    assert scoring.waiting_campaign_ids(now=LATER, last_answers={}) == [campaign.pk]
