"""JSON as hostile text: read within bounds, and where in the text a value stands."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

DEEPEST = 50
# A string that never ends is one too: else every quotation mark after it would be tried again.
BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
BLANK = re.compile(r"[ \t\n\r]*")
FENCE = re.compile(r"\s*```(?:json|JSON)?[ \t]*\n(.*?)\n?```\s*\Z", re.DOTALL)


class BadJson(ValueError):
    """The text is no JSON, or not one that is read. `at` is the code point where that shows."""

    def __init__(self, message: str, *, at: int) -> None:
        super().__init__(message)
        self.at = at


def read(text: str) -> Any:
    """Read JSON strictly: no NaN, no key said twice, at most DEEPEST levels. Raises BadJson."""
    _check_depth(text)
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise BadJson(error.msg, at=error.pos) from error
    except ValueError as error:
        raise BadJson(str(error), at=0) from error


def fenced(text: str) -> tuple[str, int]:
    """The text within a code fence that holds all of it, and where that begins; or the text itself."""
    match = FENCE.match(text) if text.lstrip().startswith("```") else None
    return (match[1], match.start(1)) if match else (text, 0)


class Places:
    """Where the values of a text stand that `read` has taken. What an array or object has is looked through once.

    >>> said = '{"a": [1, {"b": true}]}'
    >>> start, end = Places(said).span(["a", 1, "b"])
    >>> said[start:end]
    'true'
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.inside: dict[int, dict[str | int, int]] = {}

    def span(self, path: Sequence[str | int]) -> tuple[int, int]:
        """The half-open span of the value at `path`."""
        at = _skip(self.text, 0)
        for key in path:
            if at not in self.inside:
                self.inside[at] = dict(_members(self.text, at))
            at = self.inside[at][key]
        return at, DECODER.raw_decode(self.text, at)[1]


def _members(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """Where each member of the object, or element of the array, at `at` begins."""
    is_object = text[at] == "{"
    at, index = _skip(text, at + 1), 0
    while text[at] not in "]}":
        name: str | int = index
        if is_object:
            name, at = DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        yield name, at
        at = _skip(text, DECODER.raw_decode(text, at)[1])
        at, index = _skip(text, at + (text[at] == ",")), index + 1


def _skip(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def _check_depth(text: str) -> None:
    depth = 0
    for match in BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match.group(), 0)
        if depth > DEEPEST:
            raise BadJson(f"is nested more than {DEEPEST} levels deep", at=match.start())


def _refuse_constant(said: str) -> Any:
    raise ValueError(f"{said} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        [(twice, _)] = collections.Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:40]!r} is said twice")
    return made


DECODER = json.JSONDecoder()
