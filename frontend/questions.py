"""A question of verify mode: everything the page shows of one turn, and nothing that says where its output comes from.

Marks of violations are not part of it, nor whether there are any: who sees them agrees with them. What a check found
is, where the turn is one of those that are asked with it.
"""

from __future__ import annotations

from typing import Any

from annotate.constraints.assistance import suggestions
from annotate.verification.models import Turn
from frontend import sheets

LONGEST_QUOTE = 200


def question(turn: Turn) -> dict[str, Any]:
    """Return {"token", "statement", "prompt", "output", "language", "found"}, texts in pieces. No statement: all is
    loaded. `found` is null where the question is asked blind."""
    return {
        "token": str(turn.token),
        "statement": sheets.pieces(turn.round.statement),
        "prompt": [sheets.shown(block) for block in blocks(turn)],
        "output": sheets.pieces(turn.item.output.text),
        "language": sheets.language(turn.item.output),
        "found": found(turn),
    }


def found(turn: Turn) -> list[dict[str, Any]] | None:
    """Return what the check found: each finding's words, and what it says of them."""
    if turn.suggestions is None:
        return None
    text = turn.item.output.text
    return [
        {"quote": _excerpt(text, each["start"], each["end"]), "message": each["message"]}
        for each in turn.suggestions[: suggestions.AT_MOST]
    ]


def _excerpt(text: str, start: int | None, end: int | None) -> str:
    if start is None or end is None:
        return ""
    return text[start:end] if end - start <= LONGEST_QUOTE else f"{text[start : start + LONGEST_QUOTE]} …"


def blocks(turn: Turn) -> list[dict[str, Any]]:
    return sheets.of_prompt(*turn.item.output.prompt.shown(turn.stance))
