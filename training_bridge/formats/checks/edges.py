"""How the output must begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import finding, keywords

LONGEST = 5_000


@dataclass(frozen=True, kw_only=True)
class Edges:
    """`start` and `end` are taken literally; white space around the output counts nothing, case unless `match_case`.

    >>> Edges(start='"', end='"').findings(prompt="", output='"Yes."')
    []
    >>> Edges(end="Any questions?").findings(prompt="", output="Yes. More questions?")
    [Finding(message="Does not end with 'Any questions?'.", start=6, end=20)]
    """

    start: str | None = None
    end: str | None = None
    match_case: bool = False

    def __post_init__(self) -> None:
        given = [each for each in (self.start, self.end) if each is not None]
        if not given or not all(each.strip() and len(each) <= LONGEST for each in given):
            raise ValueError(f"it needs start or end, each with 1 to {LONGEST:,} characters")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return list(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        first, last = len(output) - len(output.lstrip()), len(output.rstrip())
        if last <= first:
            yield finding.Finding(message="Has no text.")
            return
        wanted = [None if each is None else each.strip() for each in (self.start, self.end)]
        lengths = [min(len(each or ""), last - first) for each in wanted]
        edges = (first, first + lengths[0]), (last - lengths[1], last)
        for text, verb, (start, end) in zip(wanted, ("begin", "end"), edges, strict=True):
            if text is not None and self._folded(output[start:end]) != self._folded(text):
                message = f"Does not {verb} with {finding.quote(text)!r}."
                yield finding.Finding(message=message, start=start, end=end)
        if None not in wanted and last - first < max(map(len, filter(None, wanted))) + 1:
            yield finding.Finding(message="Is too short to begin and end as it must.")

    def _folded(self, text: str) -> str:
        return text if self.match_case else keywords.folded(text)
