from __future__ import annotations

import itertools
from typing import Any

import pytest

from annotate.constraints import actions
from annotate.constraints.checks import checking
from annotate.constraints.checks import preview as check_preview
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult
from annotate.errors import NotFound
from annotate.intake.models import Output
from annotate.quality import consensus
from annotate.verification import verdicts
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.annotate.verification import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_what_people_say_is_the_rule_of_consensus() -> None:
    """Every way in which up to three people judge an output, against the pure rule with the constraint as its tag."""
    campaign = checks.world(hits=1, clear=0)
    people = [factories.user() for _ in range(3)]
    expected: dict[int, bool | None] = {}
    ways = itertools.combinations_with_replacement(("yes", "other", "ok", "cannot_tell", ""), 3)
    for number, way in enumerate(ways):
        output = factories.output(campaign, f"Output {number}", is_queued=False)
        for person, said in zip(people, way, strict=True):
            verdict = {"yes": "rejected", "other": "rejected", "ok": "nothing_wrong"}.get(said, said)
            if said:
                mark = (
                    {"critique": "states a number that was not given"}
                    if said == "yes"
                    else {"tag": "contradicts-itself"}
                )
                factories.judgment(output, verdict, annotator=person, violations=[mark])
        votes = [
            consensus.Vote(
                annotator=place,
                verdict={"yes": "rejected", "other": "nothing_wrong", "ok": "nothing_wrong"}.get(said, ""),
            )
            for place, said in enumerate(way)
        ]
        expected[output.pk] = {"rejected": True, "nothing_wrong": False}.get(consensus.verdict(votes).verdict)
    checks.group(campaign)
    constraint = checks.constraint_of(campaign, "invented-fact")
    found = check_queries.said(constraint=constraint, output_ids=expected, asked=checks.nobody_asked)
    assert found == expected
    assert set(expected.values()) == {True, False, None}


def test_verdicts_by_output_of_all_rounds() -> None:
    campaign = rows.world(tagged=1, others=2)
    rows.start(campaign, tagged=1, random=2, overlap=3)
    said = {"ada": "yyn", "bob": "ync", "cy": "nnc"}
    words = {"y": "violated", "n": "not_violated", "c": "cannot_tell"}
    outputs: list[int] = []
    for name, answers in said.items():
        person = factories.member(campaign, user=factories.user(name))
        for answer in answers:
            [turn] = rows.take(campaign, person)
            rows.say(turn, words[answer])
            outputs.append(turn.item.output_id)
    first, second, third = outputs[:3]
    assert verdicts.by_output(rows.constraint(campaign).pk) == {first: True, second: False, third: False}


def test_sample_is_seeded_bounded_and_without_gold() -> None:
    campaign = checks.world(hits=6, clear=20)
    factories.outputs(campaign, "Gold.", is_gold=True)
    constraint = checks.constraint(campaign)

    def sample(seed: int, marked: int = 3, drawn: int = 5) -> list[int]:
        return check_queries.sample(constraint=constraint, seed=seed, marked=marked, drawn=drawn)

    assert sample(7) == sample(7)
    assert len({tuple(sample(seed)) for seed in range(5)}) > 1
    assert all(len(sample(seed)) <= 8 for seed in range(5))
    ours = set(Output.objects.filter(campaign=campaign).exclude(batch__purpose="gold").values_list("pk", flat=True))
    assert set(sample(1, marked=100, drawn=200)) == ours


def test_preview_compares_with_people_and_stores_nothing() -> None:
    campaign = checks.world(hits=2, alarms=1, misses=1, clear=3)
    unjudged = checks.output(campaign, "In 2020.")
    found = check_preview.preview(
        constraint=checks.constraint(campaign), text=checks.TEXT, seed=1, asked=checks.nobody_asked
    )
    counts = found.counts
    assert (counts.hit, counts.alarm, counts.miss, counts.clear) == (2, 1, 1, 3)
    assert (found.sampled, found.looked, found.violated, found.undecided) == (8, 8, 4, 1)
    assert [(row.violated, row.people) for row in found.rows] == [
        (True, False),
        (False, True),
        (True, True),
        (True, True),
        (True, None),
    ]
    assert {row.output_id for row in found.rows if row.people is None} == {unjudged.pk}
    assert not CheckResult.objects.exists()
    assert not Check.objects.exists()


def test_preview_stops_when_its_time_is_over() -> None:
    campaign = checks.world(hits=4)
    found = check_preview.preview(
        constraint=checks.constraint(campaign), text=checks.TEXT, seed=1, asked=checks.nobody_asked, seconds=-1
    )
    assert (found.sampled, found.looked) == (6, 1)


def test_disputed_is_of_running_checks_and_their_current_versions() -> None:
    campaign = checks.world(hits=1, alarms=1, misses=1, clear=1)
    life = checks.shadow(campaign)
    assert {(each.violated, each.people) for each in check_queries.disputed(campaign=campaign)} == {
        (True, False),
        (False, True),
    }
    checks.step(life, checking.DRAFT)
    assert not check_queries.disputed(campaign=campaign).exists()


def test_together_counts_pairs_that_mark_the_same_outputs() -> None:
    campaign = checks.world(hits=3, clear=2)
    one = checks.shadow(campaign)
    critic = factories.user()
    factories.judgment(
        checks.output(campaign, "Bloom, Bloom"),
        annotator=critic,
        violations=[{"tag": "contradicts-itself", "critique": "says so twice"}],
    )
    checks.group(campaign)
    other_constraint = checks.constraint_of(campaign, "contradicts-itself")
    other = checks.saved_for(other_constraint, "check: repeated_ngram\nwords: 1\n")
    other = checks.run(checks.step(other, checking.SHADOW))
    checks.run(one)
    assert check_queries.together(lives=check_queries.lives(campaign=campaign)) == []
    checks.output(campaign, "In 1999, in 1999")
    checks.run(one), checks.run(other)
    [pair] = check_queries.together(lives=check_queries.lives(campaign=campaign))
    assert (pair.one, pair.other, pair.both) == (one, other, 1)
    assert (pair.share_of_one, pair.share_of_other) == (0.25, 0.5)


def test_screened_and_rewards_are_of_trusted_checks_only() -> None:
    campaign = checks.world(hits=6, clear=2)
    admin = factories.admin_of(campaign)
    actions.accept(constraint=checks.constraint(campaign), by=admin, now=NOW)
    life = checks.trusted(campaign)
    actions.approve(campaign=campaign, by=admin, now=NOW)

    def screened() -> int:
        return Output.objects.filter(check_queries.screened(campaign=campaign), campaign=campaign).count()

    assert screened() == 6
    [reward] = check_queries.rewards(campaign=campaign)
    assert reward == {"check": "number_in_source", "name": f"{life.constraint_id}: {checks.STATEMENT}"[:76]}
    new = checks.output(campaign, "In 2020.")
    checks.run(life)
    assert screened() == 7
    assert CheckResult.objects.get(output=new).violated
    checks.step(life, checking.SHADOW)
    assert screened() == 0
    assert check_queries.rewards(campaign=campaign) == []


def test_rewards_are_what_the_latest_set_froze_while_that_is_trusted() -> None:
    campaign = checks.world(hits=6, clear=2)
    admin = factories.admin_of(campaign)
    actions.accept(constraint=checks.constraint(campaign), by=admin, now=NOW)
    actions.approve(campaign=campaign, by=admin, now=NOW)
    checks.trusted(campaign)
    assert check_queries.rewards(campaign=campaign) == []
    actions.approve(campaign=campaign, by=admin, now=NOW)
    assert len(check_queries.rewards(campaign=campaign)) == 1
    later = checks.run(checks.saved(campaign, "check: number_in_source\nexceptions: [1]\n"))
    checks.step(later, checking.TRUSTED)
    assert check_queries.rewards(campaign=campaign) == []
    actions.approve(campaign=campaign, by=admin, now=NOW)
    [reward] = check_queries.rewards(campaign=campaign)
    assert reward["exceptions"] == [1]


def test_rewards_need_an_approved_set() -> None:
    campaign = checks.world(hits=6)
    checks.trusted(campaign)
    assert check_queries.rewards(campaign=campaign) == []


def test_other_campaigns_are_left_alone() -> None:
    ours, theirs = checks.world("ours", alarms=1), checks.world("theirs", alarms=1)
    life = checks.shadow(ours)
    assert life.run_count == 6
    assert not check_queries.disputed(campaign=theirs).exists()
    result: Any = CheckResult.objects.filter(version=life.current).first()
    with pytest.raises(NotFound):
        check_queries.result(campaign=theirs, result_id=result.pk)


def test_reading_costs_the_same_however_many_outputs(django_assert_num_queries: Any) -> None:
    few, many = checks.world("few", alarms=2), checks.world("many", hits=20, alarms=9)
    for campaign in (few, many):
        checks.shadow(campaign)
        with django_assert_num_queries(3):
            list(check_queries.disputed(campaign=campaign)[:20])
            lives = check_queries.lives(campaign=campaign)
            assert lives
