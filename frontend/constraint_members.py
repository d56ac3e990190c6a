"""Members of constraints as pages show them: the mark within its text, every text cut into pieces that can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce, Greatest, Least, Substr

from annotate.constraints.models import Member
from frontend import visible_text

AROUND = 120
"""Characters of the output shown before and after a quote."""
LONGEST = 2000
"""Characters of a quote, critique or correction shown; the output's own page has all."""


@dataclass(frozen=True)
class Shown:
    """A member, its texts cut into pieces, hidden characters named."""

    member: Member
    before: list[visible_text.Piece]
    quote: list[visible_text.Piece]
    after: list[visible_text.Piece]
    critique: list[visible_text.Piece]
    correction: list[visible_text.Piece]


def with_context(members: QuerySet[Member]) -> QuerySet[Member]:
    """Cut the text around the mark in the database: an output of 10 MB costs what a short one does."""
    text, start, end = (
        "violation__judgment__output__text",
        Coalesce(F("violation__start"), Value(0)),
        Coalesce(F("violation__end"), Value(0)),
    )
    return members.defer("violation__judgment__output__text", "violation__judgment__output__meta").annotate(
        before=Substr(text, Greatest(start - AROUND - 1, Value(0)) + 1, Least(start, Value(AROUND + 1))),
        after=Substr(text, end + 1, AROUND + 1),
    )


def shown(member: Any) -> Shown:
    """Cut up a member that came with its context."""
    violation = member.violation
    return Shown(
        member=member,
        before=visible_text.pieces(_until(member.before)),
        quote=visible_text.pieces(violation.quote[:LONGEST]),
        after=visible_text.pieces(_from(member.after)),
        critique=visible_text.pieces(violation.critique[:LONGEST]),
        correction=visible_text.pieces(violation.correction[:LONGEST]),
    )


def _until(text: str) -> str:
    """Cut what stands before a mark where a word begins, and say that it was cut. `_from` is for what follows."""
    if len(text) <= AROUND:
        return text
    _, space, rest = text.partition(" ")
    return f"… {rest}" if space else f"…{text[1:]}"


def _from(text: str) -> str:
    if len(text) <= AROUND:
        return text
    kept, space, _ = text.rpartition(" ")
    return f"{kept} …" if space else f"{text[:-1]}…"
