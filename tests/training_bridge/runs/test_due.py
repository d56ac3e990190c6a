"""Due moments on days with and without a change of the clocks."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from training_bridge.runs import due

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def local(*values: int, fold: int = 0) -> datetime:
    return datetime(*values, tzinfo=BERLIN, fold=fold).astimezone(UTC)  # type: ignore[misc,arg-type]


def is_due(
    now: datetime, *, at: time = time(3, 0), days: int = 1, since: datetime = LONG_AGO, last: datetime | None = None
) -> datetime | None:
    return due.due(now=now, at=at, zone=BERLIN, every_days=days, active_since=since, last_started=last)


def test_due_is_todays_moment_once_it_has_come() -> None:
    assert is_due(local(2026, 6, 10, 3, 0)) == local(2026, 6, 10, 3, 0)
    assert is_due(local(2026, 6, 10, 23, 59)) == local(2026, 6, 10, 3, 0)
    assert is_due(local(2026, 6, 10, 2, 59)) == local(2026, 6, 9, 3, 0)


def test_due_is_nothing_from_before_the_schedule_was_switched_on() -> None:
    assert is_due(local(2026, 6, 10, 12), since=local(2026, 6, 10, 11)) is None
    assert is_due(local(2026, 6, 11, 3), since=local(2026, 6, 10, 11)) == local(2026, 6, 11, 3)


def test_due_waits_the_days_since_the_last_start() -> None:
    last = local(2026, 6, 10, 3)
    assert is_due(local(2026, 6, 12, 12), days=3, last=last) is None
    assert is_due(local(2026, 6, 13, 3), days=3, last=last) == local(2026, 6, 13, 3)


def test_due_takes_the_latest_of_those_that_were_missed() -> None:
    assert is_due(local(2026, 6, 20, 12), last=local(2026, 6, 10, 3)) == local(2026, 6, 20, 3)


def test_a_time_that_the_spring_jump_leaves_out_happens_once_an_hour_later() -> None:
    # 29 March 2026: 02:00 becomes 03:00.
    moment = due.moment_on(day=datetime(2026, 3, 29).date(), at=time(2, 30), zone=BERLIN)  # noqa: DTZ001
    assert moment == local(2026, 3, 29, 3, 30) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert is_due(local(2026, 3, 29, 3, 29), at=time(2, 30)) == local(2026, 3, 28, 2, 30)
    assert is_due(local(2026, 3, 29, 3, 30), at=time(2, 30)) == moment


def test_a_time_that_autumn_shows_twice_happens_the_first_time_only() -> None:
    # 25 October 2026: 03:00 becomes 02:00.
    first, second = local(2026, 10, 25, 2, 30), local(2026, 10, 25, 2, 30, fold=1)
    assert second - first == timedelta(hours=1)
    keys = {due.key(schedule_id=7, moment=is_due(now, at=time(2, 30)) or now, zone=BERLIN) for now in (first, second)}
    assert keys == {"7:2026-10-25T02:30"}


def test_one_day_apart_is_one_day_over_a_change_of_the_clocks() -> None:
    last = local(2026, 10, 24, 3)
    assert is_due(local(2026, 10, 25, 3), last=last) == local(2026, 10, 25, 3)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia"])
def test_a_year_of_sweeps_fires_every_day_once(zone: str) -> None:
    where = ZoneInfo(zone)
    now, keys, last = datetime(2026, 1, 1, tzinfo=UTC), [], None
    while now < datetime(2027, 1, 1, tzinfo=UTC):
        moment = due.due(
            now=now,
            at=time(2, 15),
            zone=where,
            every_days=1,
            active_since=datetime(2026, 1, 1, tzinfo=UTC),
            last_started=last,
        )
        if moment is not None:
            keys.append(due.key(schedule_id=1, moment=moment, zone=where))
            last = moment
        now += timedelta(minutes=30)
    assert len(keys) == len(set(keys)) == 365


def test_upcoming_is_the_next_moment_that_can_be_due() -> None:
    def after(now: datetime, days: int = 1, last: datetime | None = None) -> datetime:
        return due.upcoming(now=now, at=time(3), zone=BERLIN, every_days=days, active_since=LONG_AGO, last_started=last)

    assert after(local(2026, 6, 10, 2)) == local(2026, 6, 10, 3)
    assert after(local(2026, 6, 10, 4)) == local(2026, 6, 11, 3)
    assert after(local(2026, 6, 10, 4), days=7, last=local(2026, 6, 10, 3)) == local(2026, 6, 17, 3)
