"""How much work a call is, told without a clock: the same on a busy machine, on a slow one, and every time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_run(call: Callable[[], object]) -> int:
    """Count the lines of Python that a call runs, each turn of a loop anew.

    What runs away in C (a regular expression that goes back, a slice of all the rest) is one line here: only a long
    text and the time limit of every test find that.

    >>> lines_run(lambda: [each for each in range(2000)]) > 1.9 * lines_run(lambda: [each for each in range(1000)])
    True
    """
    count = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def assert_in_proportion(of_size: Callable[[int], object], *, small: int, about: object = "") -> None:
    """Four times the size may be six times the work, and not the sixteen times of what looks at everything twice.

    Raises:
        AssertionError: it is more.
    """
    of_size(small)  # what is made once and kept
    few, many = (lines_run(lambda size=size: of_size(size)) for size in (small, 4 * small))  # type: ignore[misc]
    assert many < 6 * few + 500, f"{few:,} lines for {small:,}, {many:,} for {4 * small:,}: {about}"
