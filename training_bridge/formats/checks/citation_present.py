"""Claims must carry citations, and citations must be the prompt's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from training_bridge.formats.checks import counted, finding, pieces

STYLES = {
    "numbered": re.compile(r"\[\d{1,3}(?: ?[,;–-] ?\d{1,3}){0,20}\]"),
    "author_year": re.compile(
        r"\((?=[^()\n]{0,120}[^\W\d_a-zß-ÿ])[^()\n]{1,120}?,? (?:1[5-9]|20)\d\d[a-z]?(?:[;,:][^()\n]{0,200})?\)"
        r"|\b[A-Z][\w'’-]{1,40}(?: et al\.?|(?: and| &) [A-Z][\w'’-]{1,40})? \((?:1[5-9]|20)\d\d[a-z]?\)"
    ),
    "url": re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]"),
    "doi": re.compile(r"\b10\.\d{4,9}/[^\s\"<>]*[^\s\"<>.,;:!?)\]]"),
}
EACH = ("output", "paragraph", "sentence")
NAME_OR_YEAR = re.compile(r"[A-Z][\w'’-]+|\b(?:1[5-9]|20)\d\d")
REFERENCE = re.compile(r"\d+")


@dataclass(frozen=True, kw_only=True)
class CitationPresent:
    """`styles` are numbered `[1]`, author_year `(Author, 2020)`, url, doi; all of them if not said.

    Each `output`, `paragraph` or `sentence` must have `least`. With `in_source` a citation must be the prompt's too:
    a URL or DOI stands there, `[2]` stands there, an author and the year both do.

    >>> check = CitationPresent(each="sentence", in_source=True)
    >>> [each.message for each in check.findings(prompt="[1] Sky atlas", output="It is blue [1]. And high [2]. So.")]
    ['[2] is not in the prompt.', 'This sentence has 0 citations, fewer than 1.']
    """

    styles: list[str] | None = None
    least: int = 1
    each: str = "output"
    in_source: bool = False

    def __post_init__(self) -> None:
        for style in self.styles or ():
            pieces.check_unit(style, name="styles", units=tuple(STYLES))
        pieces.check_unit(self.each, name="each", units=EACH)
        if self.least < 0 or (self.least == 0 and not self.in_source):
            raise ValueError("least must be 1 or more, or 0 with in_source")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(self._found(prompt, output))

    def _found(self, prompt: str, output: str) -> Iterator[finding.Finding]:
        cited = sorted(span for style in self.styles or STYLES for span in _spans(style, output))
        if self.in_source:
            source = prompt.casefold()
            for start, end in cited:
                if not _is_given(output[start:end], source):
                    message = f"{finding.quote(output[start:end])} is not in the prompt."
                    yield finding.Finding(message=message, start=start, end=end)
        yield from self._bare(cited, output)

    def _bare(self, cited: list[counted.Span], output: str) -> Iterator[finding.Finding]:
        """Pieces with fewer citations than they need. Both are in order, so one walk over both is enough."""
        if self.each == "output":
            yield from counted.findings(cited, what="citations", least=self.least, most=None)
            return
        at = 0
        for start, end in pieces.UNITS[f"{self.each}s"](output):
            held = 0
            while at < len(cited) and cited[at][0] < end:
                held += cited[at][0] >= start
                at += 1
            if held < self.least:
                message = f"This {self.each} has {held} citations, fewer than {self.least}."
                yield finding.Finding(message=message, start=start, end=end)


def _spans(style: str, text: str) -> Iterator[counted.Span]:
    return (match.span() for match in STYLES[style].finditer(text))


def _is_given(citation: str, source: str) -> bool:
    """Whether the folded source has the citation, each of its numbers, or one of its names and its year."""
    if citation.casefold() in source:
        return True
    if citation.startswith("["):
        return all(f"[{number}]" in source for number in REFERENCE.findall(citation))
    if "://" in citation or citation.startswith("10."):
        return False
    said = [each.casefold() for each in NAME_OR_YEAR.findall(citation)]
    return all(each in source for each in (*said[:1], *said[-1:]))
