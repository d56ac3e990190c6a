"""Text as it is stored: checked once, normalised once, with offsets carried along. Pure.

CRLF becomes LF and nothing else changes, so a span given in code points of the file's text has one place in ours.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_CHARACTERS = 8 * 1024 * 1024
MAX_DEPTH = 32
EXCERPT = 120


class Refused(ValueError):
    """Something in a line cannot be stored. The message says what, for the person who made the file."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text with CRLF as LF, and where the removed CRs were (ascending offsets into the text as given)."""

    text: str
    removed: Sequence[int] = ()

    def offset(self, given: int) -> int:
        """Return the offset into `text` of the offset `given` into the text as it was."""
        return given - bisect_left(self.removed, given) if self.removed else given


def normalise(text: str) -> Normalised:
    """Turn CRLF into LF. A lone CR stays: it is what the model wrote.

    >>> normalise("a\\r\\nb").offset(3)
    2
    """
    if "\r\n" not in text:
        return Normalised(text)
    removed, place = [], text.find("\r\n")
    while place >= 0:
        removed.append(place)
        place = text.find("\r\n", place + 2)
    return Normalised(text.replace("\r\n", "\n"), removed)


def check(text: str, name: str) -> str:
    """Return `text` unchanged. Raises Refused for what PostgreSQL or UTF-8 cannot hold, naming the character."""
    if "\x00" in text:
        raise Refused(f"{name} has a NUL character (at character {text.index(chr(0))}), which cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        broken = ord(text[error.start])
        raise Refused(f"{name} has half a surrogate pair (\\u{broken:04x} at character {error.start})") from error
    if len(text) > MAX_CHARACTERS:
        raise Refused(f"{name} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are taken")
    return text


def check_json(value: Any, name: str, depth: int = 0) -> Any:
    """Return `value` unchanged where PostgreSQL's jsonb can hold it. Raises Refused otherwise."""
    if depth > MAX_DEPTH:
        raise Refused(f"{name} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        check(value, name)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Refused(f"{name} has {value}, which JSON cannot say")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check(key, f"a key of {name}")
            check_json(inner, name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, name, depth + 1)
    return value


def excerpt(data: bytes | str) -> str:
    """Return the beginning of a refused line as text that can always be stored."""
    text = data[: 4 * EXCERPT].decode(errors="replace") if isinstance(data, bytes) else data[:EXCERPT]
    kept = text[:EXCERPT].replace("\x00", "\N{SYMBOL FOR NULL}")
    return kept.encode(errors="replace").decode().strip()
