"""Lists: how many items, and whether numbers count on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import counted, finding

ITEM = {
    "bullets": re.compile(r"^([ \t]*+)([-*+•])[ \t]++(?=\S)", re.MULTILINE),
    "numbers": re.compile(r"^([ \t]*+)(\d{1,9})[.)][ \t]++(?=\S)", re.MULTILINE),
}


@dataclass(frozen=True, kw_only=True)
class ListFormat:
    r"""`style` is bullets (`-`, `*`, `+`, `•`) or numbers (`1.`, `1)`), each before a space and a text.

    `least` and `most` count items, nested ones too. Numbers of one indentation must count on by one, or begin a new
    list with 1; `in_order: false` lets them be.

    >>> check = ListFormat(style="numbers", least=2)
    >>> [(each.message, each.start) for each in check.findings(prompt="", output="1. one\n3. three")]
    [('3 follows on 1; expected 2.', 7)]
    """

    style: str
    least: int | None = None
    most: int | None = None
    in_order: bool = True

    def __post_init__(self) -> None:
        if self.style not in ITEM:
            raise ValueError(f"style is {self.style!r}; it may be {', '.join(ITEM)}")
        counted.check_bounds(least=self.least, most=self.most)

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        items = list(ITEM[self.style].finditer(output))
        spans = ((each.start(2), _line_end(output, each.end())) for each in items)
        yield from counted.findings(spans, what="list items", least=self.least, most=self.most)
        if self.style == "numbers" and self.in_order:
            yield from _out_of_order(items)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _out_of_order(items: list[re.Match[str]]) -> Iterator[finding.Finding]:
    before: dict[int, int] = {}
    for each in items:
        depth, number = len(each.group(1)), int(each.group(2))
        last = before.get(depth, 0)
        if number not in (1, last + 1):
            said = f"{number} follows on {last}; expected {last + 1}." if last else f"Begins with {number}, not with 1."
            yield finding.Finding(message=said, start=each.start(2), end=each.end(2))
        before = {level: count for level, count in before.items() if level < depth}
        before[depth] = number
