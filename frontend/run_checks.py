"""The checks of a run as the form shows and reads them: a list in JSON, with an example of each kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from annotate import errors
from training_bridge.formats.checks import examples

LONGEST = 50_000
# An example of each kind, and what it finds wrong.
EXAMPLES = [(json.dumps(each.declaration), each.finds) for each in examples.EXAMPLES]


class BadChecks(errors.RuleError):
    """What was typed is not a list of checks."""


def read(typed: str) -> list[dict[str, Any]]:
    """Return the checks that were typed. Raises BadChecks; whether each can be made is for the action to say."""
    if not typed.strip():
        return []
    try:
        found = json.loads(typed) if len(typed) <= LONGEST else None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadChecks(f"This is not valid JSON{where}.", field="checks") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BadChecks("Give a list of checks: [{...}, {...}].", field="checks")
    return found


def shown(checks: Sequence[dict[str, Any]]) -> str:
    """The checks as text, one a line, the kind first: the database sorts keys."""
    ordered = [{"check": each["check"], **each} for each in checks]
    lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in ordered)
    return f"[\n{lines}\n]" if lines else ""
