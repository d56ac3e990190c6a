"""What sets leave of the probe: by people, who may change their mind, and by frozen checks, which contract."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks.models import CheckResult
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.convergence import contraction, counts, queries
from annotate.constraints.convergence.contraction import Revision
from annotate.constraints.models import Constraint
from annotate.intake.models import Output
from tests import factories
from tests.annotate.constraints import rows
from tests.annotate.constraints.checks import checks
from tests.factories import NOW


def revision(number: int, *constraints: int, **checked: int) -> Revision:
    """A set of these constraints; c7=70 gives constraint 7 the check version 70."""
    versions = {int(name[1:]): version for name, version in checked.items()}
    return Revision(number=number, checks={**dict.fromkeys(constraints), **versions})


def test_survivors_become_fewer_with_sets_that_only_grow() -> None:
    outputs = [frozenset({1}), frozenset({2}), frozenset({1, 2}), frozenset[int]()]
    sets = [revision(1, 1), revision(2, 1, 2), revision(3, 2)]
    steps = contraction.by_people(revisions=sets, outputs=outputs, lineage={})
    assert [(step.survivors, step.is_nested, step.holds) for step in steps] == [
        (2, None, None),
        (1, True, True),
        (2, False, None),
    ]


def test_a_set_with_what_a_constraint_was_merged_into_is_nested() -> None:
    steps = contraction.by_people(
        revisions=[revision(1, 1), revision(2, 3)],
        outputs=[frozenset({1, 3}), frozenset({3})],
        lineage=counts.lineages({1: 3, 3: None}),
    )
    assert [(step.survivors, step.is_nested, step.holds) for step in steps] == [(1, None, None), (0, True, True)]


def test_by_checks_counts_what_is_checked_waits_or_has_no_check() -> None:
    [step] = contraction.by_checks(revisions=[revision(1, 5, 6, c7=70, c8=80)], marked={70: 0b0101}, outputs=4)
    assert (step.checked, step.waiting, step.without, step.own, step.so_far) == (1, 1, 2, 2, 2)


def test_by_checks_contracts_whatever_sets_and_checks_do() -> None:
    """Twelve random sets: what all checks so far let pass never grows, and is never more than the set's own do."""
    for seed in range(30):
        dice = random.Random(seed)
        marked: Mapping[int, int] = {version: dice.getrandbits(40) & dice.getrandbits(40) for version in range(20)}
        sets = [
            Revision(number=n, checks={c: dice.choice([None, dice.randrange(25)]) for c in range(dice.randrange(9))})
            for n in range(12)
        ]
        steps = contraction.by_checks(revisions=sets, marked=marked, outputs=40)
        so_far = [step.so_far for step in steps]
        assert so_far == sorted(so_far, reverse=True)
        assert all(step.so_far <= step.own <= 40 for step in steps)


@pytest.fixture
def campaign(db: None) -> Campaign:
    """Six outputs to be evaluated, of which three give a number and one has an exclamation mark; one is judged."""
    made = factories.campaign("helpdesk")
    factories.batch(made)
    evaluated = factories.batch(made, purpose="evaluate")
    texts = ("In 1990.", "In 1991!", "In 1992.", "A record.", "A song.", "An album.")
    outputs = [factories.output(made, text, prompt="When was it?", batch=evaluated) for text in texts]
    factories.judgment(outputs[0], "nothing_wrong")
    return made


def approve(campaign: Campaign, one: Constraint, text: str) -> None:
    checks.saved_for(one, text)
    actions.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)


def look(campaign: Campaign, now: datetime = NOW) -> int:
    """Return how many results came."""
    before = CheckResult.objects.count()
    assert convergence.look(campaign_id=campaign.pk, clock=lambda: now)
    return CheckResult.objects.count() - before


def shares(campaign: Campaign) -> list[tuple[int, int, int, int]]:
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)
    found = queries.report(campaign=campaign)
    assert found is not None
    assert {each.so_far.of for each in found.check_steps} <= {6}
    return [(each.revision, each.checked, each.own.count, each.so_far.count) for each in found.check_steps]


def test_look_runs_the_frozen_versions_on_the_probe_and_the_report_contracts(campaign: Campaign) -> None:
    numbers, marks = (rows.constraint(campaign, f"statement {n}") for n in range(2))
    approve(campaign, numbers, checks.TEXT)
    approve(campaign, marks, "check: pattern\npattern: '!'\nmost: 0\n")
    approve(campaign, numbers, "check: number_in_source\nexceptions: [1990, 1991, 1992]\n")
    assert look(campaign) == 3 * 6
    assert shares(campaign) == [(1, 1, 3, 3), (2, 2, 3, 3), (3, 2, 5, 3)]
    assert look(campaign) == 0


def test_look_goes_on_where_it_was_killed(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    approve(campaign, rows.constraint(campaign, "one"), checks.TEXT)
    begun: list[object] = []
    looks = convergence._look

    def dies_at_the_third(*given: Any) -> bool:
        begun.append(given)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return looks(*given)

    monkeypatch.setattr(convergence, "_look", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        look(campaign)
    assert CheckResult.objects.count() == 2
    monkeypatch.setattr(convergence, "_look", looks)
    assert not convergence.look(campaign_id=campaign.pk, clock=lambda: NOW)
    assert look(campaign, NOW + 2 * convergence.LOOK_AT_MOST) == 4
    assert shares(campaign) == [(1, 1, 3, 3)]


def test_look_ends_in_time_and_the_next_sweep_goes_on(campaign: Campaign) -> None:
    approve(campaign, rows.constraint(campaign, "one"), checks.TEXT)
    times = itertools.chain([NOW], itertools.repeat(NOW + convergence.LOOK_AT_MOST))
    is_looked = convergence.look(campaign_id=campaign.pk, clock=lambda: next(times))
    assert (is_looked, CheckResult.objects.count()) == (False, 1)
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW, is_looked=is_looked)
    found = queries.report(campaign=campaign)
    assert found is not None and found.is_behind
    assert [(each.checked, each.waiting) for each in found.check_steps] == [(0, 1)]
    assert queries.waiting_ids(now=NOW + timedelta(minutes=1)) == [campaign.pk]
    assert look(campaign) == 5
    assert shares(campaign) == [(1, 1, 3, 3)]
    assert queries.waiting_ids(now=NOW + timedelta(minutes=1)) == []


def test_a_check_that_cannot_be_run_is_told_as_one_that_waits(campaign: Campaign) -> None:
    one = rows.constraint(campaign, "one")
    life = checks.saved_for(one, checks.TEXT)
    actions.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)
    text = "check: python_function\nfunction: no.such.thing\n"
    other = rows.constraint(campaign, "other")
    other.check_versions.create(
        number=1,
        text=text,
        declared=[{"check": "python_function", "function": "no.such.thing"}],
        sha256="0" * 64,
        created_by=life.current.created_by,
        created_at=NOW,
    )
    other.check_life = type(life).objects.create(constraint=other, current=other.check_versions.get(), changed_at=NOW)
    actions.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)
    assert look(campaign) == 6
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)
    found = queries.report(campaign=campaign)
    assert found is not None
    assert [(each.checked, each.waiting, each.without) for each in found.check_steps] == [(1, 0, 0), (1, 1, 0)]


def test_stored_results_are_taken_and_constraints_without_a_check_are_named(campaign: Campaign) -> None:
    one, bare = (rows.constraint(campaign, f"statement {n}") for n in range(2))
    approve(campaign, one, checks.TEXT)
    life = checks.run(checks.step(one.check_life, "shadow"))
    assert CheckResult.objects.filter(version=life.current).count() == Output.objects.count()
    assert look(campaign) == 0
    assert shares(campaign) == [(1, 1, 3, 3)]
    found = queries.report(campaign=campaign)
    assert found is not None
    assert found.uncovered == [queries.Uncovered(constraint_id=bare.pk, statement=bare.statement)]
