"""Carries a run one step further: admit, launch, observe, harvest. Called by the sweep and by impatient doors alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction

from training_bridge.formats import manifest, rundir, spec
from training_bridge.runs import folder, harvest, launchers, locks, models, outcome, sampling, states
from training_bridge.runs.launchers.process import CannotLaunch, Sighting

Clock = Callable[[], datetime]

# A cancelled trainer first reads its `cancel` file between two steps; only then is it pushed.
TERMINATE_AFTER = timedelta(seconds=10)
KILL_AFTER = timedelta(seconds=30)
# Loading a large model, or one slow step, may keep the trainer silent for a while.
STALE_AFTER = timedelta(minutes=30)
REASON_MAX = 4000


def advance(*, run_id: int, clock: Clock) -> None:
    """Do the next thing for the run. Who finds it being advanced gives up quietly.

    Not one transaction but several: what was done stays done, and every step may be repeated after a crash.
    """
    with locks.tried(f"run:{run_id}") as is_mine:
        if not is_mine:
            return
        run = _load(run_id)
        if run.state == states.REQUESTED and _admit(run_id, now=clock()):
            run = _load(run_id)
        if run.state in states.ON_MACHINE:
            _follow(run, clock)


def end(run: models.Run, to: str, *, now: datetime, reason: str = "") -> None:
    move(run, to, ended_at=now, reason=reason[:REASON_MAX], phase="")


@transaction.atomic
def move(run: models.Run, to: str, **fields: object) -> None:
    """Change the state and `fields` of the locked row. Raises states.WrongState."""
    row = models.Run.objects.select_for_update().get(pk=run.pk)
    states.check(state=row.state, to=to)
    _write(run, state=to, **fields)


@transaction.atomic
def _admit(run_id: int, *, now: datetime) -> bool:
    """Give the run a place on the machine when one is free and nobody asked earlier; else say what it waits for."""
    locks.until_commit("launcher:process")
    run = models.Run.objects.select_for_update().get(pk=run_id)
    if run.state != states.REQUESTED:
        return False
    places = settings.TRAINER_CONCURRENCY
    taken = models.Run.objects.filter(launcher=run.launcher, state__in=states.ON_MACHINE).count()
    ahead = models.Run.objects.filter(launcher=run.launcher, state=states.REQUESTED, pk__lt=run.pk).count()
    if taken + ahead >= places:
        reason = f"Waiting for a free place: {taken} on this machine (room for {places}), {ahead} ahead in line."
        _write(run, reason=reason)
        return False
    states.check(state=run.state, to=states.LAUNCHING)
    _write(
        run,
        state=states.LAUNCHING,
        reason="",
        attempt=run.attempt + 1,
        folder=str(folder.of(run).path),
        launched_at=now,
        heartbeat_at=now,
        ended_at=None,
        phase="preparing",
    )
    return True


def _follow(run: models.Run, clock: Clock) -> None:
    engine, place = launchers.ENGINES[run.launcher], folder.of(run)
    sighting: Sighting = engine.observe(folder=place, attempt=run.attempt)
    if not sighting.was_started and run.state == states.LAUNCHING:
        _start(run, place, clock)
        return
    status = place.read_status() if sighting.was_started else None
    _note(run, place, status)
    if status is not None and status.state == states.SUCCEEDED:
        harvest.harvest(run=run, place=place, clock=clock, end=end)
    elif sighting.is_alive:
        _watch(run, place, now=clock())
    else:
        state, reason = outcome.of(
            status=status,
            exit_code=sighting.exit_code,
            is_cancelled=run.cancel_requested_at is not None,
            errors=outcome.last_lines(place.stderr),
        )
        end(run, state, now=clock(), reason=reason)


def _start(run: models.Run, place: rundir.RunDir, clock: Clock) -> None:
    engine = launchers.ENGINES[run.launcher]
    if run.cancel_requested_at:
        end(run, states.CANCELLED, now=clock(), reason="Cancelled before the trainer was started.")
        return
    if engine.is_running(folder=place):
        _write(run, reason="Waiting for an earlier attempt's process to end.")
        return
    try:
        folder.fill(run)
        handle = engine.launch(folder=place, attempt=run.attempt)
    except (manifest.BrokenManifest, spec.BadSpec, sampling.BadSampling, CannotLaunch, OSError) as error:
        end(run, states.FAILED, now=clock(), reason=f"The run could not be prepared: {error}")
        return
    _write(run, launcher_handle=handle, reason="", phase="starting")


def _note(run: models.Run, place: rundir.RunDir, status: rundir.Status | None) -> None:
    """Copy the trainer's word on itself into the row; the first word makes the run `running`."""
    if status is None:
        return
    if run.state == states.LAUNCHING:
        move(run, states.RUNNING)
    seen = datetime.fromtimestamp(status.updated_at, UTC)
    if place.events.exists():
        seen = max(seen, datetime.fromtimestamp(place.events.stat().st_mtime, UTC))
    _write(
        run,
        phase=status.phase[:40],
        step=status.step,
        total_steps=status.total_steps or None,
        heartbeat_at=max(seen, run.heartbeat_at or seen),
    )


def _watch(run: models.Run, place: rundir.RunDir, *, now: datetime) -> None:
    """Push a cancelled trainer, and give up on a silent one."""
    engine = launchers.ENGINES[run.launcher]
    if run.cancel_requested_at:
        place.cancel.touch()
        waited = now - run.cancel_requested_at
        if waited >= TERMINATE_AFTER:
            engine.stop(folder=place, is_forced=waited >= KILL_AFTER)
    elif run.heartbeat_at and now - run.heartbeat_at > STALE_AFTER:
        engine.stop(folder=place, is_forced=True)
        minutes = int(STALE_AFTER.total_seconds() // 60)
        end(run, states.LOST, now=now, reason=f"No sign of life for {minutes} minutes: stopped. {outcome.RESUME}")


def _load(run_id: int) -> models.Run:
    return models.Run.objects.select_related("base__parent", "campaign", "dataset", "requested_by").get(pk=run_id)


def _write(run: models.Run, **fields: object) -> None:
    """Write the named columns only: another column may be changing in another transaction (a cancel request)."""
    models.Run.objects.filter(pk=run.pk).update(**fields)
    for name, value in fields.items():
        setattr(run, name, value)
