"""The only reader of the wall clock. Doors, tasks and commands call it; everything else takes `now`."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
