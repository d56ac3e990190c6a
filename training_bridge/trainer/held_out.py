"""Good answers that are watched and not trained on.

An answer that is trained on holds up longer than one that is not, so a guard that watches it speaks late. All good
answers to a drawn prompt are held out together; what is drawn depends on the seed and the prompts alone, whatever the
order of the rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from training_bridge.trainer import job, probe

R = TypeVar("R")


def divide(
    *, job: job.Job, rows: Sequence[R], prompt: Callable[[R], str], is_good: Callable[[R], bool] = lambda row: True
) -> tuple[list[R], list[R]]:
    """Return the rows to train on and the good ones to watch, each in their order.

    Of the prompts that have good rows `hold_out` are held out, with those rows: at least one where it is above 0, never
    more than the probe watches, never all. Where it is 0, or there is one such prompt only, the good rows are watched
    and trained on. The event `watched` says how many there are and how many were held out.
    """
    good = [row for row in rows if is_good(row)]
    drawn = set(_drawn([prompt(row) for row in good], share=job.settings.hold_out, seed=job.settings.seed))
    out = [row for row in good if prompt(row) in drawn]
    job.reporter.event("watched", good=len(good), held_out=len(out))
    return [row for row in rows if not (is_good(row) and prompt(row) in drawn)], out or good


def _drawn(prompts: Sequence[str], *, share: float, seed: int) -> list[str]:
    """
    >>> _drawn(["a", "b", "a", "c", "d"], share=0.5, seed=0) == _drawn(["d", "c", "b", "a"], share=0.5, seed=0)
    True
    >>> [len(_drawn("abcd", share=share, seed=0)) for share in (0, 0.01, 0.5, 1)], _drawn("a", share=0.5, seed=0)
    ([0, 1, 2, 3], [])
    """
    found = sorted(set(prompts), key=lambda each: hashlib.sha256(f"{seed}/{each}".encode()).digest())
    if not share:
        return []
    return found[: min(max(1, round(len(found) * share)), len(found) - 1, probe.SIZE)]
