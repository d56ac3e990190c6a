"""A question of verify mode: everything the page shows of one turn, and nothing that says where its output comes from.

Marks of violations are not part of it, nor whether there are any: who sees them agrees with them.
"""

from __future__ import annotations

from typing import Any

from annotate.verification.models import Turn
from frontend import sheets


def question(turn: Turn) -> dict[str, Any]:
    """Return {"token", "statement", "prompt", "output", "language"}, texts in pieces. No statement: all is loaded."""
    return {
        "token": str(turn.token),
        "statement": sheets.pieces(turn.round.statement),
        "prompt": [sheets.shown(block) for block in blocks(turn)],
        "output": sheets.pieces(turn.item.output.text),
        "language": sheets.language(turn.item.output),
    }


def blocks(turn: Turn) -> list[dict[str, Any]]:
    return sheets.of_prompt(*turn.item.output.prompt.shown(turn.stance))
