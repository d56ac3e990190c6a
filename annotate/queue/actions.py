"""Every write of the queue.

Locks are taken in one order everywhere: the annotator's advisory lock, lease rows, front shelves by id, queue items by
id, and last the shelf that is emptied, by whoever comes first to a new round. The sweep skips locked leases. An
annotator's own leases are therefore taken and closed one after the other, and different annotators wait for each other
only while one item's counter changes or something comes back.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.queue import policy, queries, sql
from annotate.queue.models import Lease, QueueItem

ENQUEUE_CHUNK = 5000
SWEEP_CHUNK = 500
SKIP_REASON_LIMIT = 200


class CampaignNotActive(RuleError):
    """The campaign is paused or closed."""


class LeaseClosed(RuleError):
    """The lease can no longer be given back: it was submitted or skipped."""


@transaction.atomic
def enqueue(*, campaign: Campaign, output_ids: Iterable[int], now: datetime, priority: int = 0) -> None:
    """Put outputs into the campaign's queue, behind those of the same priority that somebody is at already.

    Those in the queue stay as they are. Until the transaction ends, nobody comes to the round that they join: keep it
    short after this.
    """
    ids = iter(output_ids)
    shelf_id, joined = _join_shelf(campaign, priority)
    while chunk := list(itertools.islice(ids, ENQUEUE_CHUNK)):
        QueueItem.objects.bulk_create(
            [
                QueueItem(
                    output_id=output_id,
                    campaign=campaign,
                    shelf_id=shelf_id,
                    round=joined,
                    order_key=policy.order_key(campaign_id=campaign.pk, output_id=output_id),
                    overlap=campaign.overlap,
                )
                for output_id in chunk
            ],
            ignore_conflicts=True,
        )


@transaction.atomic
def lease_next(*, campaign: Campaign, annotator: User, now: datetime) -> Lease | None:
    """Return the annotator's unfinished lease, renewed, or a lease on the next output; None when nothing is left.

    At most four statements, and the same work in them however many outputs, judgments and annotators there are and
    however much this annotator has done (docs/decisions/0010-a-cursor-per-annotator.md). Raises NotAllowed for a person
    who may not judge here and CampaignNotActive when the campaign does not hand out work.
    """
    if campaign.state != Campaign.State.ACTIVE:
        raise CampaignNotActive(
            f"“{campaign.name}” is {campaign.state}: it hands out no outputs now. Ask an admin of the campaign."
        )
    if not queries.may_judge(campaign=campaign, annotator=annotator):
        raise NotAllowed(f"You may not judge in “{campaign.name}”. Ask one of its admins for the annotator role.")
    _serialise(annotator)
    arguments = {
        "token": uuid.uuid4(),
        "campaign": campaign.pk,
        "annotator": annotator.pk,
        "now": now,
        "expires_at": policy.lease_until(now=now, minutes=campaign.lease_minutes),
        "stance": campaign.stance,
        "first_key": policy.FIRST_KEY,
    }
    return _first(sql.RENEW_OWN, arguments) or _first(sql.TAKE_NEXT, arguments)


@transaction.atomic
def skip(*, token: uuid.UUID, annotator: User, reason: str, now: datetime) -> Lease:
    """Close the lease without a judgment; the output never returns to this annotator. Skipping again changes nothing.

    Raises LeaseClosed when it was submitted, NotFound when the token is not theirs.
    """
    lease = hold(token=token, annotator=annotator)
    if lease.state == Lease.State.SKIPPED:
        return lease
    lease.skip_reason = " ".join(reason.split())[:SKIP_REASON_LIMIT]
    return _give_back(lease, Lease.State.SKIPPED, now)


@transaction.atomic
def release(*, token: uuid.UUID, annotator: User, now: datetime) -> Lease:
    """Give the output back, to be leased by anyone, this annotator too. Releasing again changes nothing."""
    lease = hold(token=token, annotator=annotator)
    if lease.state in (Lease.State.RELEASED, Lease.State.EXPIRED):
        return lease
    return _give_back(lease, Lease.State.RELEASED, now)


def keep_draft(*, lease: Lease, draft: dict[str, Any], now: datetime) -> None:
    """Store what is marked on a lease that `hold` locked. An open one runs its full time from now."""
    lease.draft, lease.draft_version = draft, lease.draft_version + 1
    if lease.state == Lease.State.OPEN:
        lease.expires_at = policy.lease_until(now=now, minutes=lease.campaign.lease_minutes)
    lease.save(update_fields=["draft", "draft_version", "expires_at"])


def hold(*, token: uuid.UUID, annotator: User) -> Lease:
    """Lock the annotator's lease until the transaction ends, with its output and campaign. Two statements.

    Raises NotFound when there is no such lease or it is not theirs.
    """
    _serialise(annotator)
    locked = queries.held(token=token, annotator=annotator).select_for_update(of=("self",))
    lease = locked.select_related("output", "campaign").first()
    if lease is None:
        raise NotFound("This output is not leased to you. Open the work page again to get your next one.")
    return lease


def close_submitted(*, lease: Lease, now: datetime) -> bool:
    """Close a lease that `hold` locked, as part of storing its judgment, and count the judgment in. One statement.

    A lease that was given back in the meantime takes its slot back while one is free. Returns True when none was:
    the judgment is kept, as surplus. A lease that was submitted before stays as it is.
    """
    if lease.state == Lease.State.SUBMITTED:
        return False
    more = 0 if lease.state == Lease.State.OPEN else 1
    with connection.cursor() as cursor:
        cursor.execute(sql.CLOSE_SUBMITTED, {"lease": lease.pk, "output": lease.output_id, "now": now, "more": more})
        row = cursor.fetchone()
    lease.state = Lease.State.SUBMITTED
    lease.closed_at = now
    return not row[0]


@transaction.atomic
def expire_overdue(*, now: datetime) -> int:
    """Give back the slots of leases that ran out, oldest first, one batch. Returns how many there were.

    Several sweeps may run at once: each skips the leases another holds. Drafts stay, for the same annotator.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.EXPIRE_OVERDUE, {"before": policy.swept_before(now=now), "now": now, "at_most": SWEEP_CHUNK})
        output_ids = [output_id for (output_id,) in cursor.fetchall()]
    if output_ids:
        _return_slots(output_ids)
    return len(output_ids)


@transaction.atomic
def set_overlap(*, campaign: Campaign, overlap: int) -> None:
    """Ask for `overlap` judgments of every output. Those that already have more, or have more on the way, keep them."""
    if not 1 <= overlap <= 50:
        raise RuleError("Overlap must be between 1 and 50 annotators per output.", field="overlap")
    arguments = {"campaign": campaign.pk, "overlap": overlap}
    with connection.cursor() as cursor:
        cursor.execute(sql.SEAL_FRONTS, arguments)
        cursor.execute(sql.SET_OVERLAP, arguments)


def _join_shelf(campaign: Campaign, priority: int) -> tuple[int, int]:
    """Return the shelf that outputs of this priority go to and the round that they join."""
    arguments = {"campaign": campaign.pk, "priority": priority}
    with connection.cursor() as cursor:
        cursor.execute(sql.JOIN_SHELF, arguments)
        row = cursor.fetchone()
        if row is None:
            cursor.execute(sql.OPEN_SHELVES, arguments)
            cursor.execute(sql.JOIN_SHELF, arguments)
            row = cursor.fetchone()
    return row[0], row[1]


def _serialise(annotator: User) -> None:
    """Wait for the annotator's other requests, to the end of the transaction: two tabs never take two outputs."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [policy.lock_key(annotator_id=annotator.pk)])


def _first(statement: str, arguments: dict[str, object]) -> Lease | None:
    return next(iter(Lease.objects.raw(statement, arguments)), None)


def _give_back(lease: Lease, state: Lease.State, now: datetime) -> Lease:
    if lease.state in (Lease.State.SUBMITTED, Lease.State.SKIPPED):
        raise LeaseClosed(f"You have already {lease.state} this output, so it cannot be given back.")
    if lease.state == Lease.State.OPEN:
        _return_slots([lease.output_id])
    lease.state = state
    lease.closed_at = now
    lease.save(update_fields=["state", "skip_reason", "closed_at"])
    return lease


def _return_slots(output_ids: list[int]) -> None:
    """Let these outputs come back, a slot of each: they are the next to be given out at their priority."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SEAL_FRONT_OF_OUTPUTS, {"outputs": output_ids})
        cursor.execute(sql.RETURN_SLOTS, {"outputs": output_ids})
