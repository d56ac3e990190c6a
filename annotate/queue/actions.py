"""Every write of the queue.

Locks are taken in one order everywhere: the annotator's advisory lock, lease rows, front shelves by id, queue items by
id, and last the shelf that is emptied, by whoever comes first to a new round. The sweep skips locked leases. An
annotator's own leases are therefore taken and closed one after the other, and different annotators wait for each other
only while one item's counter changes or something comes back.
"""

from __future__ import annotations

import itertools
import json
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from annotate.accounts import actions as accounts
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import NotAllowed, NotFound, RuleError
from annotate.intake.models import Output
from annotate.queue import policy, queries, reading, sql
from annotate.queue.models import Lease, QueueItem

Suggest = Callable[[Campaign, Output], list[dict[str, Any]] | None]
"""What checks find in an output, as a page shows it; None where no check is trusted. Checks are of a room above."""

ENQUEUE_CHUNK = 5000
SWEEP_CHUNK = 500
SKIP_REASON_LIMIT = 200


class CampaignNotActive(RuleError):
    """The campaign is paused or closed; `state` says which."""

    def __init__(self, message: str, *, state: str) -> None:
        super().__init__(message)
        self.state = state


class NoSlot(RuleError):
    """All the judgments that are wanted of the output are there or on their way."""


class LeaseClosed(RuleError):
    """The lease can no longer be given back: it was submitted or skipped."""


@transaction.atomic
def enqueue(
    *, campaign: Campaign, output_ids: Iterable[int], now: datetime, priority: int = 0, is_gold: bool = False
) -> None:
    """Put outputs into the campaign's queue, behind those of the same priority that somebody is at already.

    Those in the queue stay as they are. `is_gold` outputs are for every annotator, at the campaign's gold share. Until
    the transaction ends, nobody comes to the round that they join: keep it short after this.
    """
    ids = iter(output_ids)
    shelf_id, joined = _join_shelf(campaign, priority, is_gold)
    while chunk := list(itertools.islice(ids, ENQUEUE_CHUNK)):
        QueueItem.objects.bulk_create(
            [
                QueueItem(
                    output_id=output_id,
                    campaign=campaign,
                    shelf_id=shelf_id,
                    round=joined,
                    order_key=policy.order_key(campaign_id=campaign.pk, output_id=output_id),
                    overlap=policy.GOLD_OVERLAP if is_gold else campaign.overlap,
                )
                for output_id in chunk
            ],
            ignore_conflicts=True,
        )


@transaction.atomic
def lease_next(
    *,
    campaign: Campaign,
    annotator: User,
    now: datetime,
    besides: Iterable[uuid.UUID] = (),
    suggest: Suggest | None = None,
) -> Lease | None:
    """Return the annotator's unfinished lease, renewed, or a lease on the next output; None when there is none now.

    `besides` are the tokens that the asker has already: a page that fetches ahead names the output it shows. Nobody
    holds more than `policy.HELD_AT_MOST` in a campaign. The lease comes with its output and prompt.

    Two statements, and the same work in them however many outputs, judgments and annotators there are and however much
    this annotator has done (docs/decisions/0010-a-cursor-per-annotator.md); three more when there is nothing. Where the
    campaign has some outputs judged with suggestions, `suggest` makes them, in two more for those outputs. Raises
    NotAllowed for a person who may not judge here and CampaignNotActive when the campaign does not hand out work.
    """
    if campaign.state != Campaign.State.ACTIVE:
        raise _not_active(campaign, campaign.state)
    _serialise(annotator)
    lease = take_next(campaign=campaign, annotator=annotator, now=now, besides=besides, suggest=suggest)
    if lease is None:
        say_why_not(campaign=campaign, annotator=annotator)
    return lease


def take_next(
    *,
    campaign: Campaign,
    annotator: User,
    now: datetime,
    besides: Iterable[uuid.UUID] = (),
    suggest: Suggest | None = None,
) -> Lease | None:
    """As `lease_next`, in a transaction that has the annotator's lock. One statement; None whatever the reason."""
    arguments = {
        **_lease_values(campaign, annotator, now),
        "besides": list(besides),
        "at_most": policy.HELD_AT_MOST,
        "is_gold_turn": policy.is_gold_turn(draw=secrets.randbelow(100), share=campaign.gold_share),
        "is_breadth_first": campaign.order == Campaign.Order.BREADTH,
        "first_key": policy.FIRST_KEY,
    }
    # Asked again for the one whose own lease the sweep took back in that very moment.
    lease = reading.leased(arguments) or reading.leased(arguments)
    if lease is not None and suggest is not None and _is_assisted(lease, campaign, now):
        lease.suggestions = suggest(campaign, lease.output)
        Lease.objects.filter(pk=lease.pk).update(suggestions=lease.suggestions)
    return lease


def say_why_not(*, campaign: Campaign, annotator: User) -> None:
    """Raise what keeps the annotator from being given anything; return when there is just nothing."""
    state = Campaign.objects.values_list("state", flat=True).get(pk=campaign.pk)
    if state != Campaign.State.ACTIVE:
        raise _not_active(campaign, state)
    if not queries.may_judge(campaign=campaign, annotator=annotator):
        raise _not_a_judge(campaign)


@transaction.atomic
def lease_output(*, campaign: Campaign, annotator: User, output_id: int, now: datetime) -> Lease:
    """Lease this very output, also when the annotator skipped it: how a reviewer takes what nobody wanted.

    Raises NotAllowed for a person who may not judge here, NotFound when the output is not the campaign's, and NoSlot
    when it has all its judgments or they are on their way.
    """
    if not queries.may_judge(campaign=campaign, annotator=annotator):
        raise _not_a_judge(campaign)
    _serialise(annotator)
    arguments = {**_lease_values(campaign, annotator, now), "output": output_id}
    lease = next(iter(Lease.objects.raw(sql.LEASE_OUTPUT, arguments)), None)
    if lease is None:
        if not QueueItem.objects.filter(pk=output_id, campaign=campaign).exists():
            raise NotFound(f"“{campaign.name}” has no such output in its queue.")
        raise NoSlot("Nothing more is wanted of this output: it is judged, or somebody is at it.")
    return lease


@transaction.atomic
def set_aside(*, campaign: Campaign, output_ids: Sequence[int], by: User, now: datetime, reason: str = "") -> int:
    """Want nothing more of these outputs than what they have or is on its way. Returns how many that changed."""
    items = QueueItem.objects.filter(campaign=campaign, pk__in=output_ids, taken_count__lt=F("overlap"))
    changed = items.filter(shelf__is_gold=False).update(overlap=F("taken_count"), is_set_aside=True)
    if changed:
        detail = {"outputs": sorted(output_ids), "reason": reason[:SKIP_REASON_LIMIT]}
        accounts.record(actor=by, verb="set aside", subject=f"campaign {campaign.slug}", now=now, detail=detail)
    return changed


@transaction.atomic
def skip(*, token: uuid.UUID, annotator: User, reason: str, now: datetime) -> Lease:
    """Close the lease without a judgment; the output never returns to this annotator. Skipping again changes nothing.

    Raises LeaseClosed when it was submitted, NotFound when the token is not theirs.
    """
    lease = hold(token=token, annotator=annotator)
    if lease.state == Lease.State.SKIPPED:
        return lease
    lease.skip_reason = " ".join(reason.split())[:SKIP_REASON_LIMIT]
    _give_back(lease, Lease.State.SKIPPED, now)
    QueueItem.objects.filter(pk=lease.output_id).update(skip_count=F("skip_count") + 1)
    return lease


@transaction.atomic
def release(*, token: uuid.UUID, annotator: User, now: datetime, seen_until: datetime | None = None) -> Lease:
    """Give the output back, to be leased by anyone, this annotator too. Releasing again changes nothing.

    A page that closes names the deadline it knew: a lease that was renewed since is another page's by now, and stays.
    """
    lease = hold(token=token, annotator=annotator)
    if lease.state in (Lease.State.RELEASED, Lease.State.EXPIRED):
        return lease
    if seen_until is not None and lease.expires_at != seen_until:
        return lease
    return _give_back(lease, Lease.State.RELEASED, now)


@transaction.atomic
def renew_held(*, tokens: Sequence[uuid.UUID], annotator: User, now: datetime) -> dict[uuid.UUID, datetime]:
    """Let the annotator's open leases run their full time from now. Returns the new deadline of each still open."""
    with connection.cursor() as cursor:
        cursor.execute(sql.RENEW_HELD, {"tokens": list(tokens), "annotator": annotator.pk, "now": now})
        return dict(cursor.fetchall())


def keep_draft(*, lease: Lease, draft: dict[str, Any], now: datetime) -> None:
    """Store what is marked on a lease that `hold` locked. An open one runs its full time from now."""
    lease.draft, lease.draft_version = draft, lease.draft_version + 1
    if lease.state == Lease.State.OPEN:
        lease.expires_at = policy.lease_until(now=now, minutes=lease.campaign.lease_minutes)
    lease.save(update_fields=["draft", "draft_version", "expires_at"])


def hold(*, token: uuid.UUID, annotator: User, campaign: Campaign | None = None) -> Lease:
    """Lock the annotator's lease until the transaction ends, under their lock. One statement.

    The lease comes with its output and campaign, and the campaign with its newest `tag_set_id`, None without one.

    Raises NotFound when there is no such lease, in this campaign if one is named, when it is not theirs, or when they
    may no longer judge in its campaign.
    """
    lock_key = policy.lock_key(annotator_id=annotator.pk)
    lease = reading.held({"token": token, "lock_key": lock_key, **_who(annotator)})
    if lease is None or (campaign is not None and lease.campaign_id != campaign.pk):
        raise NotFound("This output is not leased to you. Open the work page again to get your next one.")
    return lease


def closing(*, lease: Lease) -> dict[str, Any]:
    """Return what `sql.CLOSING` wants to know of a lease that `hold` locked."""
    is_again = lease.state == Lease.State.SUBMITTED
    more = 0 if is_again or lease.state == Lease.State.OPEN else 1
    unskipped = 1 if lease.state == Lease.State.SKIPPED else 0
    return {
        "lease": lease.pk,
        "output": lease.output_id,
        "is_again": is_again,
        "more": more,
        "unskipped": unskipped,
    }


def reopen(*, lease: Lease, draft: Mapping[str, Any], now: datetime) -> None:
    """Open a submitted lease that `hold` locked, as part of taking its judgment back; `draft` is what it said.

    Only for a judgment that had a slot: the slot stays with the lease.
    """
    until = policy.lease_until(now=now, minutes=lease.campaign.lease_minutes)
    arguments: dict[str, Any] = {"lease": lease.pk, "output": lease.output_id, "expires_at": until}
    arguments["draft"] = json.dumps(draft)
    with connection.cursor() as cursor:
        cursor.execute(sql.REOPEN, arguments)


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


def _join_shelf(campaign: Campaign, priority: int, is_gold: bool) -> tuple[int, int]:
    """Return the shelf that such outputs go to and the round that they join."""
    arguments = {"campaign": campaign.pk, "priority": priority, "is_gold": is_gold}
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


def _lease_values(campaign: Campaign, annotator: User, now: datetime) -> dict[str, Any]:
    return {
        "token": uuid.uuid4(),
        "campaign": campaign.pk,
        **_who(annotator),
        "stance": campaign.stance,
        "now": now,
        "expires_at": policy.lease_until(now=now, minutes=campaign.lease_minutes),
    }


def _is_assisted(lease: Lease, campaign: Campaign, now: datetime) -> bool:
    """Say whether suggestions belong to a lease: decided when it is taken for the first time, and never again."""
    is_fresh = lease.leased_at == now and lease.suggestions is None and not lease.draft_version and not lease.revision
    return is_fresh and policy.is_assisted(
        seed=campaign.draw_seed,
        output_id=lease.output_id,
        annotator_id=lease.annotator_id,
        share=campaign.assisted_share,
    )


def _who(annotator: User) -> dict[str, Any]:
    return {"annotator": annotator.pk, "is_trusted": queries.is_trusted(annotator)}


def _not_active(campaign: Campaign, state: str) -> CampaignNotActive:
    told = f"“{campaign.name}” is {state}: it hands out no outputs now. Ask an admin of the campaign."
    return CampaignNotActive(told, state=state)


def _not_a_judge(campaign: Campaign) -> NotAllowed:
    return NotAllowed(f"You may not judge in “{campaign.name}”. Ask one of its admins for the annotator role.")


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
