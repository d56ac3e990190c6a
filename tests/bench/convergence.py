"""Figures of convergence, measured: `python -m tests.bench.convergence [--outputs 100000] [--constraints 300]`.

Reviewed outputs of two judgments each, none to three constraints violated (Zipf), of 120 models and 40 languages; then
a set with a check for every constraint, and another one. Prints the seconds and the peak of memory of one computation
of all figures, of what frozen checks say of the probe set, and of the computation after that; beside it, in the same
minute, what the same rows cost that are read and not counted. Last, slices that would not fit are counted in memory.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.bench.measuring import measured
from tests.bench.scorecard import fill

if TYPE_CHECKING:  # Django must be set up before
    from annotate.campaigns.models import Campaign
    from annotate.constraints.convergence.counts import Reviewed

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--outputs", type=int, default=100_000)
    parser.add_argument("--constraints", type=int, default=300)
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    with measured(f"storing {given.outputs} outputs with two judgments each"):
        campaign_id = fill(given.constraints, given.outputs)
        _slice(campaign_id)
    stored(campaign_id)
    in_memory()


def _slice(campaign_id: int) -> None:
    """Give the outputs models and languages, and have the database look at what is in its tables now."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE intake_output SET model = 'round-' || id %% 120, "
            "meta = jsonb_build_object('language', 'l' || id %% 40) WHERE campaign_id = %s",
            [campaign_id],
        )
        cursor.execute("VACUUM ANALYZE")


def stored(campaign_id: int) -> None:
    from django.db import transaction

    from annotate.campaigns.models import Campaign
    from annotate.constraints.checks.models import CheckResult
    from annotate.constraints.convergence import actions, queries, reading

    campaign = Campaign.objects.get(pk=campaign_id)
    with measured("reading the rows, counting nothing"), transaction.atomic():
        count = sum(1 for _ in reading.rows(campaign=campaign, kinds_differ=True))
    with measured(f"all figures of {count} reviewed outputs"):
        actions.compute(campaign_id=campaign_id, clock=lambda: NOW)
    _approve(campaign)
    with measured("what the frozen checks say of the probe"):
        actions.look(campaign_id=campaign_id, clock=lambda: NOW)
    said = CheckResult.objects.count()
    with measured(f"all figures again, with {said} results of checks on the probe"):
        actions.compute(campaign_id=campaign_id, clock=lambda: NOW)
    with measured("what the page reads"):
        report = queries.report(campaign=campaign)
    assert report is not None and report.whole.units == count
    assert [each.so_far.of for each in report.check_steps] == [500, 500]


def _approve(campaign: Campaign) -> None:
    """Two sets: every constraint with a check, and the same with every second check changed."""
    from annotate.constraints import actions
    from annotate.constraints.checks import actions as check_actions
    from annotate.constraints.models import Constraint
    from tests import factories

    admin = factories.superuser()
    Constraint.objects.filter(campaign=campaign).update(state="accepted")
    for step in (1, 2):
        for number, each in enumerate(Constraint.objects.filter(campaign=campaign).order_by("id")[::step]):
            text = f"check: length\nmost: {10 * number + step}\nof: characters\n"
            check_actions.save(constraint=each, text=text, by=admin, now=NOW)
        actions.approve(campaign=campaign, by=admin, now=NOW)


def in_memory() -> None:
    from annotate.constraints.convergence import counts

    with measured("300 slices of 20,000 constraints, 200,000 outputs of ten"):
        ledger = counts.Ledger()
        for output in _wide():
            ledger.add(output)
    print(f"{len(ledger.slices)} slices are left, {ledger.cells} counts in them")  # noqa: T201


def _wide() -> Iterator[Reviewed]:
    from annotate.constraints.convergence.counts import Mark, Reviewed

    for number in range(200_000):
        found = [(number * 37 + at * 1009) % 20_000 for at in range(10)]
        marks = [Mark(merged=each, separate=each, annotator=1) for each in found]
        yield Reviewed(
            model=f"m{number % 100}", batch=f"b{number // 3 % 100}", language=f"l{number // 7 % 100}", marks=marks
        )


if __name__ == "__main__":
    main()
