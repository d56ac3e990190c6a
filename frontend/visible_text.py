"""Hostile text cut into pieces, so that a page can show the characters that would hide or reorder others. Pure.

The pieces' texts joined are the text itself: names of characters are shown by style sheets, never put into the text,
so offsets counted in the page are offsets in the stored text. An isolated piece also disarms a bidi control: its
effect ends with the element around it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

NAMES = {
    "\r": "CR",
    "\u00ad": "SHY",
    "\u034f": "CGJ",
    "\u061c": "ALM",
    "\u115f": "HCF",
    "\u1160": "HJF",
    "\u180e": "MVS",
    "\u200b": "ZWSP",
    "\u200c": "ZWNJ",
    "\u200d": "ZWJ",
    "\u200e": "LRM",
    "\u200f": "RLM",
    "\u2028": "LS",
    "\u2029": "PS",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202c": "PDF",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2060": "WJ",
    "\u2061": "FA",
    "\u2062": "IT",
    "\u2063": "IS",
    "\u2064": "IP",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\u2068": "FSI",
    "\u2069": "PDI",
    "\u3164": "HF",
    "\ufeff": "BOM",
    "\uffa0": "HHF",
}
JOINERS = "\u200c\u200d"
HIDDEN = re.compile("[" + "".join(NAMES) + "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\U000e0000-\U000e007f]")


@dataclass(frozen=True)
class Piece:
    """A stretch of the text, or one hidden character with the name to show for it."""

    text: str
    name: str = ""


def pieces(text: str) -> list[Piece]:
    return list(_pieces(text))


def direction(text: str) -> str:
    """Return "rtl" or "ltr" by the first letter that has a direction, as browsers do for `auto`.

    They look again whenever a part is put in, which takes minutes for a text in thousands of pieces.
    """
    classes = (unicodedata.bidirectional(character) for character in text)
    return "ltr" if next((each for each in classes if each in ("L", "R", "AL")), "L") == "L" else "rtl"


def _pieces(text: str) -> Iterator[Piece]:
    position = 0
    for match in HIDDEN.finditer(text):
        if _joins(text, match.start()):
            continue
        if position < match.start():
            yield Piece(text[position : match.start()])
        yield Piece(match.group(), name=_name(match.group()))
        position = match.end()
    if position < len(text):
        yield Piece(text[position:])


def _joins(text: str, index: int) -> bool:
    """Say whether a joiner does its ordinary work here: inside an emoji or between letters of a joining script."""
    if text[index] not in JOINERS or not 0 < index < len(text) - 1:
        return False
    return all(ord(each) > 0x2FF and unicodedata.category(each) != "Cf" for each in (text[index - 1], text[index + 1]))


def _name(character: str) -> str:
    return NAMES.get(character) or f"U+{ord(character):04X}"
