"""Words that must be said, or must not, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import counted, finding

MOST_WORDS = 50
LONGEST_WORD = 80


@dataclass(frozen=True, kw_only=True)
class Keywords:
    """Each of `words` must occur at least `least` and at most `most` times, as a whole word or phrase.

    Letters, digits and `_` of any script make words. Case counts nothing unless `match_case`. With `together` the
    words are counted as one.

    >>> check = Keywords(words=["rock", "hard place"], most=0)
    >>> [(each.message, each.start) for each in check.findings(prompt="", output="A rocket, a Rock.")]
    [('Must have no "rock".', 12)]
    >>> Keywords(words=["école"], least=2).findings(prompt="", output="L’école des écoles")[0].message
    'Has 1 "école", fewer than 2.'
    """

    words: list[str]
    least: int | None = None
    most: int | None = None
    together: bool = False
    match_case: bool = False

    def __post_init__(self) -> None:
        counted.check_bounds(least=self.least, most=self.most, highest=finding.MOST)
        if not 1 <= len(self.words) <= MOST_WORDS:
            raise ValueError(f"words must be 1 to {MOST_WORDS}")
        if not all(each.strip() == each and 1 <= len(each) <= LONGEST_WORD for each in self.words):
            raise ValueError(f"each of words must have 1 to {LONGEST_WORD} characters, and no white space around it")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(output))

    def _found(self, output: str) -> Iterator[finding.Finding]:
        text = output if self.match_case else folded(output)
        wanted = [each if self.match_case else folded(each) for each in self.words]
        if self.together:
            spans = sorted(span for word in wanted for span in _places(text, word))
            what = " or ".join(f'"{each}"' for each in self.words)
            yield from counted.findings(spans, what=finding.quote(what), least=self.least, most=self.most)
            return
        for asked, word in zip(self.words, wanted, strict=True):
            yield from counted.findings(_places(text, word), what=f'"{asked}"', least=self.least, most=self.most)


def folded(text: str) -> str:
    """Lower case, code point for code point: a letter whose lower case has another length stays as it is.

    >>> folded("İSTANBUL ẞ"), len(folded("İSTANBUL ẞ"))
    ('İstanbul ß', 10)
    """
    lower = text.lower()
    if "İ" not in text and len(lower) == len(text):
        return lower
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)


def _places(text: str, word: str) -> Iterator[counted.Span]:
    """Whole words only: no letter, digit or `_` runs on at either end, where the word has one there itself."""
    starts, ends = _is_word(word[0]), _is_word(word[-1])
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        inside = (starts and at > 0 and _is_word(text[at - 1])) or (ends and _is_word(text[end : end + 1]))
        if not inside:
            yield at, end
        at = text.find(word, at + 1 if inside else end)


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
