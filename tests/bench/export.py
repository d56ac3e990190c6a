"""Building a dataset version, measured: `python -m tests.bench.export [--rows 20000]`.

Makes a campaign of its own in the database of DATABASE_URL, with one judgment and two violations per output, builds
KTO and D2O, and prints rows per second. Everything it made is rolled back.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402 - Django is set up first
from django.db import connection, transaction  # noqa: E402

from annotate.campaigns.models import Campaign  # noqa: E402
from annotate.constraints import actions as constraint_actions  # noqa: E402
from annotate.constraints.models import Constraint  # noqa: E402
from tests import factories  # noqa: E402
from training_bridge.exports import actions  # noqa: E402

FILL = """
WITH p AS (
    INSERT INTO intake_prompt (campaign_id, sha256, text, messages)
    SELECT %(campaign)s, encode(sha256(('p' || n)::bytea), 'hex'),
           'Question ' || n || '? ' || repeat('context ', 60), '[]'
    FROM generate_series(1, %(rows)s / 2) n RETURNING id),
q AS (SELECT id, row_number() OVER () AS n FROM p),
o AS (
    INSERT INTO intake_output
        (campaign_id, batch_id, prompt_id, text, text_sha256, content_key, external_id, model, meta, created_at)
    SELECT %(campaign)s, %(batch)s, q.id, 'Answer ' || repeat('word ', 60) || q.n || k, repeat('0', 64),
           encode(sha256((q.n || ' ' || k)::bytea), 'hex'), '', 'model', '{}', now()
    FROM q, generate_series(1, 2) k RETURNING id),
j AS (
    INSERT INTO judgments_judgment (campaign_id, output_id, annotator_id, tag_set_id, revision, is_current, is_surplus,
        verdict, comment, idempotency_key, created_at)
    SELECT %(campaign)s, o.id, %(annotator)s, %(tag_set)s, 1, true, false,
           CASE WHEN o.id %% 4 = 0 THEN 'nothing_wrong' ELSE 'rejected' END, '', gen_random_uuid(), now()
    FROM o RETURNING id, verdict)
INSERT INTO judgments_violation
    (judgment_id, tag_id, position, scope, severity, start, "end", quote, text_sha256, critique, correction, source)
SELECT j.id, %(tag)s, k, 'span', 'major', 7 * k, 7 * k + 5, 'word', repeat('0', 64), 'says what is not so', '', '{}'
FROM j, generate_series(1, 2) k WHERE j.verdict = 'rejected'
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder, transaction.atomic():
        settings.DATASETS = folder
        campaign = filled(rows)
        for format in ("kto", "d2o"):
            measure(campaign, format)
        transaction.set_rollback(True)


def filled(rows: int) -> Campaign:
    annotator = factories.user(f"bench-{os.getpid()}")
    campaign = factories.campaign(f"bench-{os.getpid()}", by=annotator)
    tag = factories.tag(campaign)
    ids = {
        "campaign": campaign.pk,
        "batch": factories.batch(campaign).pk,
        "annotator": annotator.pk,
        "tag_set": tag.tag_set_id,
        "tag": tag.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(FILL, {**ids, "rows": rows})
        cursor.execute("ANALYZE")
    constraint_actions.regroup(campaign_id=campaign.pk, now=factories.NOW)
    for each in Constraint.objects.living().filter(campaign=campaign):
        constraint_actions.accept(constraint=each, by=annotator, now=factories.NOW)
    constraint_actions.approve(campaign=campaign, by=annotator, now=factories.NOW)
    return campaign


def measure(campaign: Campaign, format: str) -> None:
    made = actions.request(
        campaign=campaign, constraint_set=campaign.constraint_sets.get(), format=format, by=None, now=factories.NOW
    )
    started, worked = time.perf_counter(), time.process_time()
    built = actions.build(dataset_id=made.pk, clock=lambda: factories.NOW)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speed = built.rows_done / seconds
    times = f"{seconds:.2f} s ({cpu:.2f} s CPU beside PostgreSQL)"
    print(f"{format}: {built.rows_done} rows, {times}, {speed:.0f} rows/s, peak {peak:.0f} MiB")  # noqa: T201


if __name__ == "__main__":
    main()
