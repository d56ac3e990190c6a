"""The checks of a run as the form shows and reads them: a list in JSON, with an example of each kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from annotate import errors

LONGEST = 50_000
# An example, and what it finds wrong.
EXAMPLES = (
    ('{"check": "forbidden_pattern", "pattern": "as an AI", "ignore_case": true}', "anything that matches"),
    ('{"check": "required_pattern", "pattern": "^Answer:"}', "an answer in which nothing matches"),
    ('{"check": "max_length", "words": 120}', "what is beyond so many words, or characters"),
    ('{"check": "repeated_ngram", "words": 4, "most": 1}', "four words in a row that were said before"),
    ('{"check": "number_in_source", "exceptions": [1, 2]}', "a number that the prompt does not give"),
    (
        '{"check": "python", "function": "training_bridge.demo.check.findings"}',
        "what a function of this server says, which NEGATIVA_CHECKS must allow",
    ),
)


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
    """The checks as text, one a line."""
    lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False)}" for each in checks)
    return f"[\n{lines}\n]" if lines else ""
