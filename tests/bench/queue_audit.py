"""Whether the queue kept its promises during a run, asked of the rows alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection

# What an annotator's lease brought and is not taken back; within the overlap when it is no surplus.
STANDING = "judgment.is_current AND judgment.withdrawn_at IS NULL"
COUNTED = f"""
    SELECT count(*) FROM judgments_judgment AS judgment
    WHERE judgment.output_id = item.output_id AND {STANDING} AND NOT judgment.is_surplus
      AND EXISTS (SELECT 1 FROM queue_lease AS lease
                  WHERE lease.output_id = item.output_id AND lease.annotator_id = judgment.annotator_id)
"""
LEASED = "SELECT count(*) FROM queue_lease AS lease WHERE lease.output_id = item.output_id AND lease.state = "
ITEMS = "SELECT item.output_id FROM queue_queueitem AS item WHERE item.campaign_id = %(campaign)s AND "

# Each finds the rows that break one promise.
PROMISES = {
    "judged or leased more often than the overlap": f"{ITEMS} item.overlap < ({COUNTED}) + ({LEASED} 'open')",
    "slots counted otherwise than leased and judged": f"{ITEMS} item.taken_count <> ({COUNTED}) + ({LEASED} 'open')",
    "judgments counted otherwise than stored": f"{ITEMS} item.judged_count <> ({COUNTED})",
    "skips counted otherwise than skipped": f"{ITEMS} item.skip_count <> ({LEASED} 'skipped')",
    "leased twice to one person": """
        SELECT output_id FROM queue_lease WHERE campaign_id = %(campaign)s
        GROUP BY output_id, annotator_id HAVING count(*) > 1
    """,
    "more than two leases held by one person": """
        SELECT annotator_id FROM queue_lease WHERE campaign_id = %(campaign)s AND state = 'open'
        GROUP BY annotator_id HAVING count(*) > 2
    """,
    "judged twice by one person": f"""
        SELECT output_id FROM judgments_judgment AS judgment WHERE campaign_id = %(campaign)s AND {STANDING}
        GROUP BY output_id, annotator_id HAVING count(*) > 1
    """,
    "taken back and still current": """
        SELECT id FROM judgments_judgment
        WHERE campaign_id = %(campaign)s AND is_current AND withdrawn_at IS NOT NULL
    """,
    "acknowledged and not stored": """
        SELECT key FROM unnest(%(acknowledged)s::uuid[]) AS key
        WHERE NOT EXISTS (SELECT 1 FROM judgments_judgment AS judgment
                          WHERE judgment.idempotency_key = key AND judgment.campaign_id = %(campaign)s)
    """,
    "stored and not acknowledged": """
        SELECT id FROM judgments_judgment AS judgment
        WHERE campaign_id = %(campaign)s AND NOT EXISTS (
            SELECT 1 FROM unnest(%(acknowledged)s::uuid[]) AS key WHERE key = judgment.idempotency_key
        )
    """,
    "submitted and without a judgment, or the other way round": f"""
        SELECT lease.output_id FROM queue_lease AS lease
        WHERE lease.campaign_id = %(campaign)s AND (lease.state = 'submitted') <> EXISTS (
            SELECT 1 FROM judgments_judgment AS judgment
            WHERE judgment.output_id = lease.output_id AND judgment.annotator_id = lease.annotator_id AND {STANDING}
        )
    """,
    "stored without both its violations": """
        SELECT judgment.id FROM judgments_judgment AS judgment
        WHERE judgment.idempotency_key = ANY(%(acknowledged)s::uuid[]) AND %(violations)s <> (
            SELECT count(*) FROM judgments_violation AS violation WHERE violation.judgment_id = judgment.id
        )
    """,
    "gold among the others, or the other way round": """
        SELECT item.output_id FROM queue_queueitem AS item
        JOIN queue_shelf AS shelf ON shelf.id = item.shelf_id
        JOIN intake_output AS output ON output.id = item.output_id
        JOIN intake_importbatch AS batch ON batch.id = output.batch_id
        WHERE item.campaign_id = %(campaign)s AND shelf.is_gold <> (batch.purpose = 'gold')
    """,
}


def broken(*, campaign_id: int, acknowledged: Iterable[UUID], violations: int) -> dict[str, int]:
    """Return how many rows break which promise; nothing when all are kept."""
    arguments: dict[str, Any] = {"campaign": campaign_id, "acknowledged": list(acknowledged), "violations": violations}
    found = {}
    with connection.cursor() as cursor:
        for promise, statement in PROMISES.items():
            cursor.execute(f"SELECT count(*) FROM ({statement}) AS rows", arguments)
            row = cursor.fetchone()
            if row[0]:
                found[promise] = int(row[0])
    return found
