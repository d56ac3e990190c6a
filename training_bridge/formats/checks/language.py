"""The output must be in one of some languages, as py3langid reads it."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training_bridge.formats.checks import finding, pieces

FEWEST_LETTERS = 15
ASIDE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
EACH = ("output", "paragraph")


@dataclass(frozen=True, kw_only=True)
class Language:
    """`languages` are ISO 639-1 codes. The reader is py3langid: its model of 4.6 MB knows some 140 languages, offline.

    It errs on short and mixed texts: a text with fewer than FEWEST_LETTERS letters passes, and so does one that it
    reads with less than `confidence`. Code and addresses are left out. With `each: paragraph` every one is read apart.

    >>> check = Language(languages=["de"])
    >>> check.findings(prompt="", output="Das ist doch ganz einfach, nicht wahr?")
    []
    >>> [each.message for each in check.findings(prompt="", output="This is simple enough, is it not?")]
    ['Reads as en, not de.']
    """

    languages: list[str]
    each: str = "output"
    confidence: float = 0.5

    def __post_init__(self) -> None:
        pieces.check_unit(self.each, name="each", units=EACH)
        if not self.languages:
            raise ValueError("languages is empty")
        if unknown := sorted(set(self.languages) - set(_reader().labels)):
            raise ValueError(f"languages has {', '.join(unknown)}; it may have {', '.join(sorted(_reader().labels))}")
        if not 0 <= self.confidence <= 1:
            raise ValueError("confidence must be between 0 and 1")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        spans = pieces.paragraphs(output) if self.each == "paragraph" else iter([(0, len(output))])
        for start, end in spans:
            said = ASIDE.sub(" ", output[start:end])
            if sum(map(str.isalpha, said)) < FEWEST_LETTERS:
                continue
            language, confidence = _reader().classify(said)
            if language not in self.languages and confidence >= self.confidence:
                message = f"Reads as {language}, not {' or '.join(self.languages)}."
                yield finding.Finding(message=message, start=start, end=end)


@functools.cache
def _reader() -> Any:
    """The reader with its model, loaded once a process (see docs/checks.md for what it takes)."""
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
