"""The output must not be longer than so many characters or words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from training_bridge.formats.checks import finding

WORD = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class MaxLength:
    """What stands beyond the limit is the finding. Characters are code points; words are what white space parts.

    >>> [(each.start, each.end) for each in MaxLength(words=2).findings(prompt="", output="one two three four")]
    [(8, 18)]
    >>> MaxLength(characters=3).findings(prompt="", output="one")
    []
    """

    characters: int | None = None
    words: int | None = None

    def __post_init__(self) -> None:
        limits = [each for each in (self.characters, self.words) if each is not None]
        if not limits or min(limits) < 1:
            raise ValueError("it needs characters or words, of 1 or more")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return list(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        if self.characters is not None and len(output) > self.characters:
            message = f"Longer than {self.characters} characters."
            yield finding.Finding(message=message, start=self.characters, end=len(output))
        beyond = None if self.words is None else next(islice(WORD.finditer(output), self.words, None), None)
        if beyond is not None:
            message = f"Longer than {self.words} words."
            yield finding.Finding(message=message, start=beyond.start(), end=len(output))
