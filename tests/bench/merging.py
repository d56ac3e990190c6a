"""Comparing constraints, measured: `python -m tests.bench.merging [--members 100000] [--constraints 1000 5000]`.

A generated campaign of each size: every constraint has a complaint of six words that its members vary, two violations
of different constraints on each output. Prints seconds, CPU seconds of this process and its peak of memory: of reading
what is compared, of the cosines, and of a whole comparison as the sweep makes it.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence
from typing import Any

from tests.bench.grouping import WORDS
from tests.bench.measuring import measured
from tests.bench.quality import NOW

OUTPUTS_AT_ONCE = 2000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--constraints", type=int, nargs="+", default=(1000, 5000))
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    for constraints in given.constraints:
        measure(fill(constraints, given.members), constraints, given.members)


def measure(campaign: Any, constraints: int, members: int) -> None:
    from annotate.constraints.merging import actions, pairs, queries

    pairs.near(candidates=[pairs.Candidate(1, "warm", ["up"]), pairs.Candidate(2, "warm", ["up"])])
    size = f"{constraints:,} constraints, {members:,} members"
    with measured(f"{size}: reading what is compared"):
        candidates = queries.candidates(campaign=campaign)
    with measured(f"{size}: who is near whom"):
        pairs.near(candidates=candidates)
    with measured(f"{size}: which are found together"):
        queries.found_together(campaign=campaign)
    with measured(f"{size}: a comparison, stored"):
        actions.compare(campaign_id=campaign.pk, now=NOW)


def fill(constraints: int, members: int) -> Any:
    from annotate.constraints.models import Constraint
    from tests import factories

    pick = random.Random(0)
    campaign = factories.campaign(f"bench-{constraints}")
    values = {"campaign": campaign, "kind": "factual", "tag_slug": "invented-fact", "member_count": 1}
    complaints = [" ".join(pick.sample(WORDS, 6)) for _ in range(constraints)]
    made = Constraint.objects.bulk_create(
        (Constraint(statement=each, created_at=NOW, updated_at=NOW, **values) for each in complaints), batch_size=1000
    )
    person = factories.user()
    for start in range(0, members // 2, OUTPUTS_AT_ONCE):
        texts = [f"Output {number}." for number in range(start, min(members // 2, start + OUTPUTS_AT_ONCE))]
        store(factories.outputs(campaign, *texts, is_queued=False), person, made, pick)
    return campaign


def store(outputs: Sequence[Any], person: Any, constraints: Sequence[Any], pick: random.Random) -> None:
    from annotate.constraints.models import Member
    from annotate.judgments.models import Judgment, Violation
    from tests import factories

    tag = factories.tag(outputs[0].campaign)
    judgments = Judgment.objects.bulk_create(
        Judgment(
            campaign=output.campaign,
            output=output,
            annotator=person,
            tag_set=tag.tag_set,
            verdict="rejected",
            created_at=NOW,
        )
        for output in outputs
    )
    chosen = [(judgment, each) for judgment in judgments for each in pick.sample(constraints, 2)]
    violations = Violation.objects.bulk_create(
        Violation(
            judgment=judgment,
            tag=tag,
            scope="whole",
            text_sha256="0",
            critique=f"{each.statement} {' '.join(pick.sample(WORDS, 3))}",
        )
        for judgment, each in chosen
    )
    Member.objects.bulk_create(
        Member(constraint=each, violation=violation, similarity=pick.random())
        for (_, each), violation in zip(chosen, violations, strict=True)
    )


if __name__ == "__main__":
    main()
