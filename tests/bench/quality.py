"""The figures of the Quality pages from the database: `python -m tests.bench.quality [--judgments 50000]`.

A generated campaign: outputs of 400 characters, three judgments each by three of 300 annotators, 40 % of them with a
fault of one of 25 tags. Prints seconds, CPU seconds of this process and the peak of its memory: of reading the
judgments for Reliability and fitting both models, of the agreement of the newest 1,000 outputs and of all. Beside them,
in the same minute, what streaming the same judgments costs.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tests.bench.measuring import measured

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PER_OUTPUT, ANNOTATORS, TAGS, LENGTH = 3, 300, 25, 400
OUTPUTS_AT_ONCE = 2000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--judgments", type=int, default=50_000)
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    measure(fill(given.judgments // PER_OUTPUT))


def measure(campaign: Any) -> None:
    from django.db import connection

    from annotate.quality import agreement_queries, reliability, reliability_queries

    with measured("streaming the judgments alone"), connection.chunked_cursor() as cursor:
        cursor.execute("SELECT output_id, annotator_id, verdict FROM judgments_judgment ORDER BY id")
        while cursor.fetchmany(2000):
            continue
    with measured("reliability: reading the newest 50,000"):
        said = reliability_queries.said(campaign=campaign, at_most=50_000)
    with measured("reliability: both models, with intervals"):
        reliability.estimate(labels=said.labels)
    with measured("agreement of the newest 1,000 outputs"):
        agreement_queries.agreement_of(campaign=campaign, newest=1000)
    with measured("agreement of all outputs"):
        agreement_queries.agreement_of(campaign=campaign)


def fill(outputs: int) -> Any:
    from tests import factories

    tags = tuple(factories.TagDraft(name=f"Tag {number}") for number in range(TAGS))
    campaign = factories.campaign(f"bench-{outputs}", tags=tags)
    people = [factories.user() for _ in range(ANNOTATORS)]
    chance = np.random.default_rng(0)
    for start in range(0, outputs, OUTPUTS_AT_ONCE):
        texts = [f"{number} ".ljust(LENGTH, "x") for number in range(start, min(outputs, start + OUTPUTS_AT_ONCE))]
        store(campaign, factories.outputs(campaign, *texts, is_queued=False), people, chance)
    return campaign


def store(campaign: Any, outputs: list[Any], people: list[Any], chance: np.random.Generator) -> None:
    from annotate.judgments.models import Judgment, Violation

    tags = list(campaign.tag_sets.get().tags.all())
    judgments, violations = [], []
    for output in outputs:
        has_fault, tag, at = chance.random() < 0.4, int(chance.zipf(1.5) - 1) % TAGS, int(chance.integers(LENGTH - 60))
        for person in chance.choice(ANNOTATORS, PER_OUTPUT, replace=False):
            is_rejected = chance.random() < (0.8 if has_fault else 0.1)
            judgment = Judgment(campaign=campaign, output=output, annotator=people[person], created_at=NOW)
            judgment.tag_set, judgment.verdict = tags[0].tag_set, "rejected" if is_rejected else "nothing_wrong"
            judgments.append(judgment)
            if is_rejected:
                start = at + int(chance.integers(15))
                span = {"start": start, "end": start + int(chance.integers(5, 40))}
                violations.append(
                    Violation(judgment=judgment, tag=tags[tag], scope="span", severity="major", text_sha256="0", **span)
                )
    Judgment.objects.bulk_create(judgments)
    Violation.objects.bulk_create(violations)


if __name__ == "__main__":
    main()
