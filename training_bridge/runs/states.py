"""What may follow what in a run's life. The only table; every change of state goes through `check`."""

from __future__ import annotations

from annotate import errors

REQUESTED = "requested"
LAUNCHING = "launching"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
LOST = "lost"

# A resumed run is `requested` again: it waits for a free place on the machine like any other.
FOLLOWERS: dict[str, frozenset[str]] = {
    REQUESTED: frozenset({LAUNCHING, CANCELLED, FAILED}),
    LAUNCHING: frozenset({RUNNING, FAILED, CANCELLED, LOST}),
    RUNNING: frozenset({SUCCEEDED, FAILED, CANCELLED, LOST}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset({REQUESTED}),
    CANCELLED: frozenset({REQUESTED}),
    LOST: frozenset({REQUESTED}),
}
ENDED = frozenset({SUCCEEDED, FAILED, CANCELLED, LOST})
UNFINISHED = frozenset({REQUESTED, LAUNCHING, RUNNING})
ON_MACHINE = frozenset({LAUNCHING, RUNNING})
RESUMABLE = frozenset(state for state, followers in FOLLOWERS.items() if REQUESTED in followers)


class WrongState(errors.RuleError):
    """The run is past the state in which this may be asked of it."""


def check(*, state: str, to: str) -> None:
    """Raise WrongState unless `to` may follow `state`."""
    if to not in FOLLOWERS[state]:
        raise WrongState(f"A run that is {state} cannot become {to}.")
