"""How often a pattern may match: forbidden is `most: 0`, required is `least: 1`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training_bridge.formats.checks import counted, finding, patterns


@dataclass(frozen=True, kw_only=True)
class Pattern:
    r"""Fewer matches than `least` are one finding, of the whole output; each match beyond `most` is one at its place.

    `what` names the thing in messages: "placeholders". patterns.py says what a pattern may be.

    >>> [(each.start, each.end) for each in Pattern(pattern="!", most=0).findings(prompt="", output="No! Never!")]
    [(2, 3), (9, 10)]
    >>> Pattern(pattern=r"\[[^\[\]\n]+\]", least=3, what="placeholders").findings(prompt="", output="To [name]")
    [Finding(message='Has 1 placeholders, fewer than 3.', start=None, end=None)]
    """

    pattern: str
    least: int | None = None
    most: int | None = None
    ignore_case: bool = False
    what: str | None = None

    def __post_init__(self) -> None:
        counted.check_bounds(least=self.least, most=self.most, highest=finding.MOST)
        _ = self._compiled

    @functools.cached_property
    def _compiled(self) -> Any:
        return patterns.compiled(self.pattern, ignore_case=self.ignore_case)

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        spans = patterns.spans(self._compiled, output)
        what = self.what or f"matches of {finding.quote(self.pattern)}"
        try:
            yield from counted.findings(spans, what=what, least=self.least, most=self.most)
        except patterns.TooMuch as error:
            yield finding.Finding(message=str(error))
