"""The output must be in capitals, or in small letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import counted, finding

CASES = ("upper", "lower", "capital_words")
WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True, kw_only=True)
class LetterCase:
    """`upper`: no small letters. `lower`: no capitals. Each word that has one is a finding.

    `capital_words`: how many words may be in capitals throughout, by `least` and `most`.

    >>> [(each.start, each.end) for each in LetterCase(case="lower").findings(prompt="", output="no, He said")]
    [(4, 6)]
    >>> LetterCase(case="capital_words", most=1).findings(prompt="", output="NATO and the EU: I see")[0].message
    'More than 1 words in capitals.'
    """

    case: str
    least: int | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        if self.case not in CASES:
            raise ValueError(f"case is {self.case!r}; it may be {', '.join(CASES)}")
        if self.case == "capital_words":
            counted.check_bounds(least=self.least, most=self.most)
        elif (self.least, self.most) != (None, None):
            raise ValueError("least and most are for capital_words")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        if self.case == "capital_words":
            spans = (each.span() for each in WORD.finditer(output) if each.group().isupper())
            yield from counted.findings(spans, what="words in capitals", least=self.least, most=self.most)
            return
        for each in WORD.finditer(output):
            if _differs(each.group(), self.case):
                message = "Not in capitals." if self.case == "upper" else "Not in small letters."
                yield finding.Finding(message=message, start=each.start(), end=each.end())


def _differs(word: str, case: str) -> bool:
    if case == "upper":
        return any(each.islower() for each in word)
    return any(each.isupper() or each.istitle() for each in word)
