"""Whether the queue kept its promises during a run, asked of the rows alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import connection

# Each finds the rows that break one promise.
PROMISES = {
    "judged or leased more often than the overlap": """
        SELECT item.output_id FROM queue_queueitem AS item
        WHERE item.campaign_id = %(campaign)s AND item.overlap < (
            SELECT count(*) FROM judgments_judgment AS judgment
            WHERE judgment.output_id = item.output_id AND judgment.is_current AND NOT judgment.is_surplus
              AND EXISTS (SELECT 1 FROM queue_lease AS lease
                          WHERE lease.output_id = item.output_id AND lease.annotator_id = judgment.annotator_id)
        ) + (SELECT count(*) FROM queue_lease AS lease WHERE lease.output_id = item.output_id AND lease.state = 'open')
    """,
    "counted otherwise than leased and judged": """
        SELECT item.output_id FROM queue_queueitem AS item
        LEFT JOIN queue_lease AS lease ON lease.output_id = item.output_id AND lease.state IN ('open', 'submitted')
        LEFT JOIN judgments_judgment AS late
            ON late.output_id = item.output_id AND late.annotator_id = lease.annotator_id
            AND late.is_current AND late.is_surplus
        WHERE item.campaign_id = %(campaign)s
        GROUP BY item.output_id
        HAVING item.taken_count <> count(lease.id) - count(late.id)
    """,
    "leased twice to one person": """
        SELECT output_id FROM queue_lease WHERE campaign_id = %(campaign)s
        GROUP BY output_id, annotator_id HAVING count(*) > 1
    """,
    "judged twice by one person": """
        SELECT output_id FROM judgments_judgment WHERE campaign_id = %(campaign)s
        GROUP BY output_id, annotator_id HAVING count(*) > 1
    """,
    "acknowledged and not stored": """
        SELECT key FROM unnest(%(acknowledged)s::uuid[]) AS key
        WHERE NOT EXISTS (SELECT 1 FROM judgments_judgment AS judgment
                          WHERE judgment.idempotency_key = key AND judgment.campaign_id = %(campaign)s)
    """,
    "submitted and without a judgment, or the other way round": """
        SELECT lease.output_id FROM queue_lease AS lease
        WHERE lease.campaign_id = %(campaign)s AND (lease.state = 'submitted') <> EXISTS (
            SELECT 1 FROM judgments_judgment AS judgment
            WHERE judgment.output_id = lease.output_id AND judgment.annotator_id = lease.annotator_id
        )
    """,
    "stored without both its violations": """
        SELECT judgment.id FROM judgments_judgment AS judgment
        WHERE judgment.idempotency_key = ANY(%(acknowledged)s::uuid[]) AND %(violations)s <> (
            SELECT count(*) FROM judgments_violation AS violation WHERE violation.judgment_id = judgment.id
        )
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
