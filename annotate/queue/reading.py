"""What the statements of the queue return, as rows of its models."""

from __future__ import annotations

from typing import Any

from django.db import connection

from annotate.campaigns.models import Campaign
from annotate.intake.models import Output, Prompt
from annotate.joined import Joined
from annotate.queue import sql
from annotate.queue.models import Lease

LEASED = Joined(
    ("lease", Lease, None),
    ("output", Output, ["id", "prompt_id", "text", "text_sha256", "meta"]),
    ("prompt", Prompt, ["id", "text", "messages", "twins"]),
)
HELD = Joined(
    ("lease", Lease, None),
    ("output", Output, ["id", "prompt_id", "text", "text_sha256"]),
    ("campaign", Campaign, ["id", "slug", "name", "state", "lease_minutes", "stance", "order", "gold_share"]),
)


def leased(arguments: dict[str, Any]) -> Lease | None:
    """Run LEASE_NEXT; return its lease with its output and prompt, which have only what a judge may see."""
    row = _first(sql.LEASE_NEXT.format(columns=LEASED.columns), arguments)
    if row is None:
        return None
    lease, output, prompt = LEASED.read(row)
    assert isinstance(lease, Lease)
    lease.output, lease.output.prompt = output, prompt
    return lease


def held(arguments: dict[str, Any]) -> Lease | None:
    """Run HOLD; return its lease with its output and campaign, and that with its newest `tag_set_id`."""
    row = _first(sql.HOLD.format(columns=HELD.columns), arguments)
    if row is None:
        return None
    lease, output, campaign = HELD.read(row[:-1])
    assert isinstance(lease, Lease)
    lease.output, lease.campaign = output, campaign
    campaign.tag_set_id = row[-1]
    return lease


def _first(statement: str, arguments: dict[str, Any]) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row
