"""How long the output may be, in characters, words, sentences, lines or paragraphs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from training_bridge.formats.checks import counted, finding, pieces


@dataclass(frozen=True, kw_only=True)
class Length:
    """What stands beyond `most` is the finding; an output with fewer than `least` is one as a whole.

    Characters are code points; pieces.py says what the others are.

    >>> [(each.start, each.end) for each in Length(most=2).findings(prompt="", output="one two three four")]
    [(8, 18)]
    >>> Length(of="sentences", least=2).findings(prompt="", output="That is all.")
    [Finding(message='Has 1 sentences, fewer than 2.', start=None, end=None)]
    """

    of: str = "words"
    least: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        pieces.check_unit(self.of, name="of")
        counted.check_bounds(least=self.least, most=self.most)

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return list(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        spans = pieces.UNITS[self.of](output)
        kept = sum(1 for _ in islice(spans, max(self.least or 0, self.most or 0)))
        if kept < (self.least or 0):
            yield finding.Finding(message=f"Has {kept} {self.of}, fewer than {self.least}.")
        elif self.most is not None and (beyond := next(spans, None)):
            message = f"Longer than {self.most} {self.of}."
            yield finding.Finding(message=message, start=beyond[0], end=len(output))
