"""When a schedule is due. Plain values in, plain values out; all moments are aware, all days are local.

Every local day has exactly one moment at a given wall-clock time. Where the clock shows that time twice (autumn) it is
the first; where it jumps over it (spring) it is as long after midnight as usual, so 02:30 happens at 03:30.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def moment_on(*, day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the moment of `day` at wall-clock time `at`, in UTC."""
    return datetime.combine(day, at.replace(tzinfo=None, fold=0), tzinfo=zone).astimezone(UTC)


def latest(*, now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """Return the last moment at or before `now`."""
    day = now.astimezone(zone).date()
    today = moment_on(day=day, at=at, zone=zone)
    return today if today <= now else moment_on(day=day - timedelta(days=1), at=at, zone=zone)


def due(
    *, now: datetime, at: time, zone: ZoneInfo, every_days: int, active_since: datetime, last_started: datetime | None
) -> datetime | None:
    """Return the moment that is due at `now`, or None.

    It is the latest one; those that were missed while nothing ran are not made up for. It must lie after
    `active_since`, and at least `every_days` local days after the day of the moment that last started a run.
    """
    moment = latest(now=now, at=at, zone=zone)
    if moment < active_since:
        return None
    if last_started is not None and _days_between(last_started, moment, zone) < every_days:
        return None
    return moment


def upcoming(
    *, now: datetime, at: time, zone: ZoneInfo, every_days: int, active_since: datetime, last_started: datetime | None
) -> datetime:
    """Return the first moment after `now` that can be due."""
    day = max(now, active_since).astimezone(zone).date()
    if last_started is not None:
        day = max(day, last_started.astimezone(zone).date() + timedelta(days=every_days))
    moment = moment_on(day=day, at=at, zone=zone)
    after = max(now, active_since)
    return moment if moment > after else moment_on(day=day + timedelta(days=1), at=at, zone=zone)


def key(*, schedule_id: int, moment: datetime, zone: ZoneInfo) -> str:
    """Return what names this moment of this schedule, once: "7:2026-11-21T03:00"."""
    return f"{schedule_id}:{moment.astimezone(zone):%Y-%m-%dT%H:%M}"


def _days_between(earlier: datetime, later: datetime, zone: ZoneInfo) -> int:
    return (later.astimezone(zone).date() - earlier.astimezone(zone).date()).days
