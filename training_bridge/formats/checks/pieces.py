r"""What a text is made of: words, sentences, lines, paragraphs, each as code-point spans. Linear in the text.

Words are what white space parts. A sentence ends with `.`, `!`, `?` or `…` and what closes it, before white space or
the end, with `。`, `！` or `？`, or with its paragraph; not after a title, a Latin abbreviation or an initial
(`Dr.`, `e.g.`, `J.`). Lines and paragraphs are those with something in them; blank lines part paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Span = tuple[int, int]

WORD = re.compile(r"\S+")
BLANK = re.compile(r"\n[^\S\n]*+(?:\n[^\S\n]*+)+")
STOP = re.compile(r"""(?<![.!?…])[.!?…]++["'”’»)\]*_]*+(?=\s|\Z)|[。！？]++[」』”’]*+""")
ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+", "mr mrs ms dr prof st no vs etc e.g i.e cf al fig eq vol pp jr sr inc ltd co approx bzw z.b d.h usw"
    )
)
LONGEST_ABBREVIATION = 8


def characters(text: str) -> Iterator[Span]:
    for at in range(len(text)):
        yield at, at + 1


def words(text: str) -> Iterator[Span]:
    for match in WORD.finditer(text):
        yield match.span()


def lines(text: str) -> Iterator[Span]:
    start = 0
    for line in text.split("\n"):
        if line and not line.isspace():
            yield start, start + len(line)
        start += len(line) + 1


def paragraphs(text: str) -> Iterator[Span]:
    r"""
    >>> list(paragraphs("one\ntwo\n \n\nthree\n"))
    [(0, 7), (11, 16)]
    """
    start = 0
    for gap in BLANK.finditer(text):
        yield from _stripped(text, start, gap.start())
        start = gap.end()
    yield from _stripped(text, start, len(text))


def sentences(text: str) -> Iterator[Span]:
    """
    >>> said = "Dr. No said 3.5 (e.g. J. Doe's). Really?! Yes"
    >>> [said[start:end] for start, end in sentences(said)]
    ["Dr. No said 3.5 (e.g. J. Doe's).", 'Really?!', 'Yes']
    """
    for start, end in paragraphs(text):
        begun = start
        for stop in STOP.finditer(text, start, end):
            if not _abbreviates(text, begun, stop):
                yield from _stripped(text, begun, stop.end())
                begun = stop.end()
        yield from _stripped(text, begun, end)


UNITS: dict[str, Callable[[str], Iterator[Span]]] = {
    "characters": characters,
    "words": words,
    "sentences": sentences,
    "lines": lines,
    "paragraphs": paragraphs,
}


def check_unit(unit: str, *, name: str, units: tuple[str, ...] = tuple(UNITS)) -> None:
    """Raise ValueError for a unit that is not among `units`."""
    if unit not in units:
        raise ValueError(f"{name} is {unit!r}; it may be {', '.join(units)}")


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    """The span without white space around it, where something is left."""
    part = text[start:end]
    kept = part.strip()
    if kept:
        first = start + len(part) - len(part.lstrip())
        yield first, first + len(kept)


def _abbreviates(text: str, start: int, stop: re.Match[str]) -> bool:
    if stop.group() != ".":
        return False
    before = text[max(start, stop.start() - LONGEST_ABBREVIATION - 1) : stop.start()].split()
    word = before[-1].lstrip("(\"'[").casefold() if before else ""
    return word in ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word != "i")
