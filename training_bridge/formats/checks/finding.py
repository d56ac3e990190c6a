"""What a check found wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

MOST = 1_000
LONGEST_QUOTE = 60


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with an output: the half-open code-point span `[start, end)`, or None for all of it."""

    message: str
    start: int | None = None
    end: int | None = None


class Check(Protocol):
    """A kind of check with its arguments. The same prompt and output always give the same findings."""

    def findings(self, *, prompt: str, output: str) -> list[Finding]:
        """Return everything that this check finds wrong, in the order it stands, at most MOST; empty: it passes."""


def first(found: Iterable[Finding]) -> list[Finding]:
    """The first MOST findings. A hostile output could have a million, and nobody reads on that far."""
    return list(islice(found, MOST))


def quote(text: str) -> str:
    """A part of an output as messages show it, cut where it is long.

    >>> quote("9" * 1_000)[-4:]
    '999…'
    """
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
