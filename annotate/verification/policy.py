"""How large a round may be, and how long a turn lasts. Pure: plain values in, plain values out."""

from __future__ import annotations

from datetime import datetime, timedelta

OUTPUTS_AT_MOST = 5000
OVERLAP_AT_MOST = 50
OPEN_AT_MOST = 20  # rounds of one campaign: whoever asks for the next question looks through all of them
HELD_AT_MOST = 6  # the question that is shown and those fetched ahead
LASTS = timedelta(minutes=5)
OVERDUE_GRACE = timedelta(minutes=1)


def until(*, now: datetime) -> datetime:
    return now + LASTS


def swept_before(*, now: datetime) -> datetime:
    """Return the deadline before which an open turn is given back. The grace lets an answer in flight arrive first."""
    return now - OVERDUE_GRACE


def seconds(*, told: float | None, given_at: datetime, now: datetime) -> float:
    """Return how long the answer took: what the page measured, never longer than the turn has lasted.

    A page fetches turns ahead, so only it knows when a question came into sight; who tells nothing took all the time.
    """
    at_most = max((now - given_at).total_seconds(), 0.0)
    return at_most if told is None or told != told else round(min(max(told, 0.0), at_most), 3)


def lock_key(*, annotator_id: int) -> int:
    """Return the advisory lock under which one annotator's turns are taken and answered, one after the other."""
    return (0x5645_5249 << 32) | (annotator_id & 0xFFFF_FFFF)
