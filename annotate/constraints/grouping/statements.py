"""Draft a prohibition in words. Pure. What comes out is plain text, shown escaped like everything people wrote."""

from __future__ import annotations

import re
import unicodedata

from annotate.constraints.grouping import embedding

LONGEST = 160
"""Characters of a drafted statement; a person may write up to the column's 500."""


def draft(*, tag: str, description: str = "", text: embedding.Text | None = None) -> str:
    """Name the prohibition of a group after its most typical violation.

    `Invented fact: says a date the source does not give` from a critique; without one from the correction or the
    quote; without any text the tag's own description, or its name alone.
    """
    if text is None or not any(embedding.fold(text)):
        return whole_tag(tag=tag, description=description)
    return _joined(tag, _told(text))


def whole_tag(*, tag: str, description: str = "") -> str:
    """Name the one constraint of a tag whose violations have nothing more particular in common."""
    return _joined(tag, _clause(description)) if description.strip() else _short(tag)


def other(*, tag: str) -> str:
    """Name what is left of a tag beside its particular groups."""
    return _joined(tag, "other cases")


def prohibited(statement: str) -> str:
    """Return what a statement prohibits, without the words that prohibit it, as an annotator would complain of it.

    `Do not state a date that the source does not give.` is `state a date that the source does not give.`
    """
    return re.sub(_PROHIBITS, "", _visible(statement), count=1) or statement


_PROHIBITS = re.compile(r"^(?:do not|don[’']t|must not|should not|never|avoid)\s+(?=\S)", re.IGNORECASE)


def _told(text: embedding.Text) -> str:
    if embedding.fold(text).critique:
        return _clause(text.critique)
    if text.correction.strip():
        return f"where it should read “{_excerpt(text.correction)}”"
    return f"as in “{_excerpt(text.quote)}”"


def _clause(text: str) -> str:
    """Return the first sentence without its full stop, its first letter small unless it begins a name or acronym."""
    line = _visible(text)
    sentence = re.split(r"(?<=[^\W\d_]{2}[.!])\s+|(?<=[。！])", line, maxsplit=1)[0].rstrip(" .!。！")
    first = re.match(r"[A-Z][a-z]*\b", sentence)
    if first and f"|{first.group().lower()}|" in _OPENERS:
        return sentence[0].lower() + sentence[1:]
    return sentence


_OPENERS = (
    "|a|an|the|this|that|these|those|it|its|is|are|was|were|there|here|has|have|had|does|do|did|should|would|"
    "could|can|may|might|must|not|no|nothing|never|states|says|claims|gives|uses|names|adds|omits|repeats|"
    "contradicts|invents|missing|wrong|incorrect|unclear|irrelevant|too|very|need|needs|why|what|who|where|when|"
    "how|in|of|on|if|as|for|with|answer|output|text|response|sentence|word|unit|number|date|calls|mixes|breaks|"
    "ignores|leaves|makes|gets|counts|"
)


def _excerpt(text: str) -> str:
    line = _visible(text)
    return line if len(line) <= 60 else f"{line[:59].rstrip()}…"


def _visible(text: str) -> str:
    """Return one line without control and direction characters, so that a statement reads as it is stored."""
    kept = "".join(" " if unicodedata.category(each) in ("Cc", "Zl", "Zp") else each for each in text[: 4 * LONGEST])
    return " ".join("".join(each for each in kept if unicodedata.category(each) not in ("Cf", "Cs")).split())


def _joined(tag: str, told: str) -> str:
    return _short(f"{_visible(tag)}: {told}") if told else _short(_visible(tag))


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    cut = text[: LONGEST - 1]
    space = cut.rfind(" ")
    return f"{cut[:space] if space > LONGEST * 2 // 3 else cut}…"
