"""The parts of an output that a separator parts: how many, whether all different, and how one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import counted, finding


@dataclass(frozen=True, kw_only=True)
class Parts:
    r"""`separator` is taken literally, blank lines if not said; parts with nothing in them do not count.

    `different`: no part may say again what one before it says. `part` and `begins`: that part, counted from 1, must
    begin with this word, whatever its case and the quotation marks before it.

    >>> check = Parts(separator="***", least=2, most=2, different=True)
    >>> [each.message for each in check.findings(prompt="", output="Yes.\n***\nYes.")]
    ['Part 2 is the same as one before it.']
    >>> Parts(part=2, begins="however").findings(prompt="", output="So it is.\n\nHowever, not always.")
    []
    """

    separator: str = "\n\n"
    least: int | None = None
    most: int | None = None
    different: bool = False
    part: int | None = None
    begins: str | None = None

    def __post_init__(self) -> None:
        if not self.separator or len(self.separator) > finding.LONGEST_QUOTE:
            raise ValueError(f"separator must be a text of 1 to {finding.LONGEST_QUOTE} characters")
        if (self.part is None) != (self.begins is None):
            raise ValueError("part and begins are said together: which part begins with what")
        if self.part is not None and (self.part < 1 or not (self.begins or "").strip()):
            raise ValueError("part must be 1 or more, and begins not empty")
        if self.least is not None or self.most is not None:
            counted.check_bounds(least=self.least, most=self.most)
        elif not self.different and self.part is None:
            raise ValueError("it needs least, most, different, or part and begins")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        spans = list(_parts(output, self.separator))
        yield from counted.findings(spans, what="parts", least=self.least, most=self.most)
        if self.different:
            yield from _repeated(output, spans)
        if self.part is not None and self.begins is not None:
            yield from _begun_otherwise(output, spans, part=self.part, begins=self.begins)


def _parts(text: str, separator: str) -> Iterator[counted.Span]:
    start = 0
    for part in text.split(separator):
        kept = part.strip()
        if kept:
            first = start + len(part) - len(part.lstrip())
            yield first, first + len(kept)
        start += len(part) + len(separator)


def _repeated(text: str, spans: list[counted.Span]) -> Iterator[finding.Finding]:
    seen: set[str] = set()
    for number, (start, end) in enumerate(spans, start=1):
        said = text[start:end]
        if said in seen:
            message = f"Part {number} is the same as one before it."
            yield finding.Finding(message=message, start=start, end=end)
        seen.add(said)


def _begun_otherwise(text: str, spans: list[counted.Span], *, part: int, begins: str) -> Iterator[finding.Finding]:
    if len(spans) < part:
        yield finding.Finding(message=f"Has no part {part}, which must begin with {begins!r}.")
        return
    start, end = spans[part - 1]
    said = text[start:end].lstrip("\"'“‘«*_([").casefold()
    wanted = begins.strip().casefold()
    rest = said[len(wanted) : len(wanted) + 1]
    if not said.startswith(wanted) or rest.isalnum():
        message = f"Part {part} does not begin with {begins!r}."
        yield finding.Finding(message=message, start=start, end=end)
