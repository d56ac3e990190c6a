"""The output must not say the same few words over and over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import finding

LONGEST = 20
WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class RepeatedNgram:
    """Each occurrence of the same `words` words in a row beyond the first `most` is a finding; case counts nothing.

    >>> check = RepeatedNgram(words=2, most=1)
    >>> [(each.start, each.end) for each in check.findings(prompt="", output="I see. I see the sea. I see!")]
    [(7, 12), (22, 27)]
    """

    words: int = 4
    most: int = 1

    def __post_init__(self) -> None:
        if self.words < 1 or self.most < 1:
            raise ValueError("words and most must be 1 or more")
        if self.words > LONGEST:
            raise ValueError(f"words may be {LONGEST} at the most")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        places = list(WORD.finditer(output))
        said = [each.group().casefold() for each in places]
        seen: Counter[tuple[str, ...]] = Counter()
        for at in range(len(said) - self.words + 1):
            ngram = tuple(said[at : at + self.words])
            seen[ngram] += 1
            if seen[ngram] > self.most:
                message = f"Says {finding.quote(' '.join(ngram))!r} again."
                start, end = places[at].start(), places[at + self.words - 1].end()
                yield finding.Finding(message=message, start=start, end=end)
