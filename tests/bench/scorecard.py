"""Scorecards, measured: `python -m tests.bench.scorecard [--constraints 200] [--judgments 100000]`.

Outputs of two judgments each, none to three constraints violated (Zipf), each seen by an annotator in 0.8 of cases.
Prints the seconds and the peak of memory of counting, of making the cards, and of a whole measurement from the
database; beside it, in the same minute, what streaming the same judgments costs without counting. Then pairs alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from tests.bench.measuring import measured

NOW = datetime(2026, 3, 1, tzinfo=UTC)
VOTES = 2


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--constraints", type=int, default=200)
    parser.add_argument("--judgments", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, nargs=2, default=(1000, 1_000_000), metavar=("CONSTRAINTS", "OUTPUTS"))
    given = parser.parse_args()
    in_memory(given.constraints, given.judgments // VOTES)
    stored(given.constraints, given.judgments // VOTES)
    pairs(*given.pairs)


def seen(constraints: int, outputs: int) -> Iterator[list[tuple[int, list[bool]]]]:
    """Yield for each output its constraints and who of the two saw each."""
    pick = np.random.default_rng(0)
    weights = 1 / np.arange(1, constraints + 1)
    drawn = pick.choice(constraints, size=(outputs, 3), p=weights / weights.sum())
    counts, saw = pick.integers(0, 4, size=outputs), pick.random((outputs, 3, VOTES)) < 0.8
    for row, count, by in zip(drawn.tolist(), counts.tolist(), saw.tolist(), strict=True):
        yield [(each, by[place]) for place, each in enumerate(row[:count]) if each not in row[:place]]


def in_memory(constraints: int, outputs: int) -> None:
    from annotate.constraints.scorecard import tally as scorecard_tally

    divisions = [scorecard_tally.Division(name=str(at), labels=list("abcd")) for at in range(5)]
    tally = scorecard_tally.Tally(divisions=divisions)
    world = [[(each, sum(by)) for each, by in found if any(by)] for found in seen(constraints, outputs)]
    with measured(f"counting {outputs} outputs, five divisions"):
        for number, found in enumerate(world):
            tally.add(votes=VOTES, seen=found, parts=[number % 4] * 5)
    with measured(f"{constraints} cards of it"):
        scorecard_tally.cards(tally, constraints=range(constraints), asked=scorecard_tally.Asked(), checks={})


def stored(constraints: int, outputs: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    from django.db import connection

    from annotate.constraints.scorecard import scoring
    from annotate.judgments.models import Judgment

    campaign_id = fill(constraints, outputs)
    with measured(f"streaming {outputs * VOTES} judgments alone"), connection.cursor() as cursor:
        cursor.execute("SELECT output_id, annotator_id, verdict FROM judgments_judgment ORDER BY output_id")
        while cursor.fetchmany(5000):
            continue
    with measured(f"measuring {constraints} constraints from {outputs * VOTES} stored judgments"):
        scoring.measure(campaign_id=campaign_id, now=NOW)
    Judgment.objects.filter(annotator=Judgment.objects.latest("pk").annotator).update(is_assisted=True)
    with measured("the same, half of them assisted"):
        scoring.measure(campaign_id=campaign_id, now=NOW)


def fill(constraints: int, outputs: int) -> int:
    """Store a campaign of that size, 2,000 outputs at a time."""
    from annotate.constraints.models import Constraint, Member
    from annotate.judgments.models import Judgment, Violation
    from tests import factories

    campaign = factories.campaign(f"bench-{outputs}", tags=factories.TAGS)
    tag, people = factories.tag(campaign), [factories.user() for _ in range(VOTES)]
    values: dict[str, Any] = {"campaign": campaign, "kind": "factual", "created_at": NOW, "updated_at": NOW}
    made = Constraint.objects.bulk_create(
        Constraint(statement=f"Number {number}", tag_slug=f"tag-{number}", **values) for number in range(constraints)
    )
    world = seen(constraints, outputs)
    for start in range(0, outputs, 2000):
        texts = [f"{number} {'x' * (number % 300)}" for number in range(start, min(outputs, start + 2000))]
        stored = factories.outputs(campaign, *texts, is_queued=False)
        said = [(output, next(world)) for output in stored]
        judgments = [
            Judgment(
                campaign=campaign,
                output=output,
                annotator=person,
                tag_set=tag.tag_set,
                verdict="rejected" if any(by[at] for _, by in found) else "nothing_wrong",
                created_at=NOW + timedelta(minutes=output.pk % 10_000),
            )
            for output, found in said
            for at, person in enumerate(people)
        ]
        Judgment.objects.bulk_create(judgments)
        marks = [
            (each, Violation(judgment=judgments[VOTES * place + at], tag=tag, scope="whole", text_sha256="0"))
            for place, (_, found) in enumerate(said)
            for each, by in found
            for at in range(VOTES)
            if by[at]
        ]
        Violation.objects.bulk_create(violation for _, violation in marks)
        Member.objects.bulk_create(Member(constraint=made[each], violation=violation) for each, violation in marks)
    return int(campaign.pk)


def pairs(constraints: int, outputs: int) -> None:
    from annotate.constraints.scorecard import independence

    together = independence.Together()
    with measured(f"pairs of {constraints} constraints on {outputs} outputs, making the world included"):
        for found in seen(constraints, outputs):
            together.add(each for each, _ in found)
    with measured(f"partners among {len(together.pairs()[0])} pairs that met"):
        independence.partners(together, constraints=constraints)


if __name__ == "__main__":
    main()
