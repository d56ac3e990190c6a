r"""Regular expressions in linear time: RE2, which walks all ways of matching at once and never goes back.

Its language is that of Python's `re` without what needs going back: no references to groups, nothing that looks ahead
or behind, no possessive repeats. `\d`, `\w`, `\s` and `\b` know ASCII only; `\pL` is any letter, `\p{Greek}` one of a
script, `\pN` any digit. `^` and `$` are the ends of the text, or of lines after `(?m)`; `(?s)` lets `.` match newlines.

One search costs at most the text's bytes times the program's size. That product is bounded by STEPS (the worst that
was found needs 6 ns a step: 6 s), a larger one is not begun. A pattern such as `a[^c]*c|a` can look
through the rest of the text for every match, so the searches of one text together stop after SECONDS of this thread's
time. Both raise TooMuch, which the kinds report as a finding: nothing passes unread.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator
from typing import Any

import re2

LONGEST_PATTERN = 1_000
STEPS = 1_000_000_000
SECONDS = 2.0
MEMORY = 8 << 20
SURROGATES = re.compile("[\ud800-\udfff]")


class TooMuch(Exception):
    """A text is too long for a pattern, or was not searched to its end. The message is for the finding."""


@functools.lru_cache(maxsize=512)
def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    r"""Compile a pattern. Raises ValueError for one that RE2 does not take, or that matches a text of nothing.

    >>> compiled(r"\b\d{1,3} ?(?:km|miles)\b").search("about 12 km").span()
    (6, 11)
    >>> compiled(r"(a)\1")
    Traceback (most recent call last):
    ValueError: the pattern '(a)\\1' is no regular expression of RE2's: invalid escape sequence: \1
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"the pattern is longer than {LONGEST_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MEMORY
    options.case_sensitive = not ignore_case
    try:
        found = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression of RE2's: {_reason(error)}") from error
    if found.search(""):
        raise ValueError(f"the pattern {pattern!r} matches a text of nothing, so it would be found everywhere")
    return found


def spans(pattern: Any, text: str) -> Iterator[tuple[int, int]]:
    """Yield the code-point spans of all matches that are not empty, in order. Raises TooMuch (see above).

    >>> list(spans(compiled("[xy]"), "🙂x y"))
    [(1, 2), (3, 4)]
    """
    text = SURROGATES.sub("\ufffd", text)
    if 4 * len(text) * pattern.programsize > STEPS and len(text.encode()) * pattern.programsize > STEPS:
        raise TooMuch(f"Not searched: {len(text):,} characters are too many for a pattern of this size.")
    began = time.thread_time()
    for match in pattern.finditer(text):
        start, end = match.span()
        if end > start:
            yield start, end
        if time.thread_time() - began > SECONDS:
            raise TooMuch(f"Not searched beyond character {end:,}: it took more than {SECONDS:g} s until there.")


def _reason(error: Exception) -> str:
    """RE2's own words, which it gives as bytes."""
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)
