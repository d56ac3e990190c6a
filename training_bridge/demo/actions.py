"""Every write to the demo's own row. What the demo does to campaigns and runs goes through their rooms' actions."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError
from training_bridge.demo import models, sizes


class DemoRunning(RuleError):
    """Another demo is being told just now."""


class ClaimLost(Exception):
    """Another process has taken the demo over, or it was stopped: this one must end without writing anything more."""


@transaction.atomic
def request(*, seed: int, size: str, by: User | None, now: datetime) -> models.DemoRun:
    """Ask for the demo of a seed. A finished or running one is returned as it is; a stopped one goes on.

    Raises DemoRunning while the demo of another seed runs.
    """
    if size not in sizes.SIZES:
        raise RuleError(f"A demo may be {' or '.join(sizes.SIZES)}, not {size!r}.", field="size")
    stop_silent(now=now)
    live = models.DemoRun.objects.filter(state=models.DemoRun.State.RUNNING).first()
    if live is not None:
        return _same(live, seed, size)
    try:
        with transaction.atomic():
            run, is_new = models.DemoRun.objects.select_for_update().get_or_create(
                seed=seed,
                size=size,
                defaults={"requested_by": by, "requested_at": now, "heartbeat_at": now},
            )
            if not is_new and run.state == models.DemoRun.State.STOPPED:
                run.state, run.claim, run.reason, run.ended_at = models.DemoRun.State.RUNNING, None, "", None
                run.requested_at = run.heartbeat_at = now
                run.save()
    except IntegrityError as error:
        raise DemoRunning("Another demo has just been started. Wait until it is done.") from error
    return run


def take(*, run_id: int, now: datetime) -> uuid.UUID:
    """Make the caller the process that tells it. Raises DemoRunning when another one does, or nothing is to be told."""
    claim = uuid.uuid4()
    taken = models.DemoRun.objects.filter(pk=run_id, state=models.DemoRun.State.RUNNING, claim=None)
    if not taken.update(claim=claim, heartbeat_at=now):
        raise DemoRunning("This demo is being told by another process already, or it has ended.")
    return claim


def report(*, run_id: int, claim: uuid.UUID, now: datetime, **fields: Any) -> None:
    """Write the heartbeat and some of step, message, progress, notes, campaign. Raises ClaimLost."""
    held = models.DemoRun.objects.filter(pk=run_id, claim=claim, state=models.DemoRun.State.RUNNING)
    if not held.update(heartbeat_at=now, **fields):
        raise ClaimLost


def finish(*, run_id: int, claim: uuid.UUID, table: dict[str, Any], now: datetime) -> None:
    """Store the table and end it. Raises ClaimLost."""
    report(
        run_id=run_id,
        claim=claim,
        now=now,
        state=models.DemoRun.State.DONE,
        table=table,
        progress=1.0,
        message="",
        reason="",
        ended_at=now,
    )


def stop(*, run_id: int, reason: str, now: datetime, claim: uuid.UUID | None = None) -> None:
    """Mark a running demo as stopped; started again, it goes on where it was. Twice equals once."""
    live = models.DemoRun.objects.filter(pk=run_id, state=models.DemoRun.State.RUNNING)
    if claim is not None:
        live = live.filter(claim=claim)
    live.update(state=models.DemoRun.State.STOPPED, reason=reason, claim=None, ended_at=now)


def stop_silent(*, now: datetime) -> int:
    """Stop demos whose process has not been heard of for too long. Returns how many there were."""
    silent = models.DemoRun.objects.filter(
        state=models.DemoRun.State.RUNNING, heartbeat_at__lt=now - timedelta(seconds=models.HEARTBEAT_SECONDS)
    )
    return silent.update(
        state=models.DemoRun.State.STOPPED,
        reason=f"Its process has not been heard of for {models.HEARTBEAT_SECONDS} seconds: it was ended from outside, "
        "or the machine restarted. What was done is kept; continue to go on from there.",
        claim=None,
        ended_at=now,
    )


def belongs_to(*, run_id: int, claim: uuid.UUID, campaign: Campaign, now: datetime) -> None:
    report(run_id=run_id, claim=claim, now=now, campaign=campaign)


def _same(live: models.DemoRun, seed: int, size: str) -> models.DemoRun:
    if (live.seed, live.size) != (seed, size):
        raise DemoRunning(f"The demo with seed {live.seed} is running. Wait until it is done.", field="seed")
    return live
