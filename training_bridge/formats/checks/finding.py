"""What a check found wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong with an output: the half-open code-point span `[start, end)`, or None for all of it."""

    message: str
    start: int | None = None
    end: int | None = None


class Check(Protocol):
    """A kind of check with its arguments. The same prompt and output always give the same findings."""

    def findings(self, *, prompt: str, output: str) -> list[Finding]:
        """Return everything that this check finds wrong, in the order it stands; empty where the output passes."""
