r"""Regular expressions that cannot run away.

Python's `re` tries one way of matching after the other, so `(a+)+b` needs 2^n steps on n times "a". It is used all the
same, because this package needs nothing but the standard library; so only patterns are taken whose steps are counted:

* no group is repeated, but by `?`; no reference back, nothing that looks ahead or behind, no flags inside;
* one way through the pattern has at most one `*`, `+` or `{2,}`, and `?`, `{2,5}` and `|` leave at most WAYS ways
  around it. Repeats that never give back what they took (`\s++`, in Python since 3.11) may be many;
* a pattern without such a repeat has at most WAYS_ALONE ways.

A search is then at most WAYS times quadratic in the text, and texts of more than LONGEST characters are not searched:
that counts as a finding, so nothing passes unread. The worst that was found took 17 s on a busy core, for 10,000
characters chosen against the pattern; ordinary ones take milliseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 10_000
WAYS = 4
WAYS_ALONE = 256
LONGEST_PATTERN = 1_000

TOKEN = re.compile(
    r"""
      (?P<back>\\[1-9])
    | (?P<one>\\.|\[\^?\]?(?:\\.|[^\]\\])*\])
    | (?P<odd>\(\?(?!:))
    | (?P<open>\((?:\?:)?)
    | (?P<close>\))
    | (?P<bar>\|)
    | (?P<repeat>(?:[*+?]|\{\d*,?\d*\})[+?]?)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
BOUNDS = re.compile(r"\{(\d*)(,?)(\d*)\}")


@dataclass(kw_only=True)
class _Group:
    """What is known of a group so far: ways and open repeats of its finished branches, and of the branch at hand."""

    ways: int = 0
    repeats: int = 0
    branch_ways: int = 1
    branch_repeats: int = 0
    last_ways: int = 1
    last_is_group: bool = False

    def add(self, *, ways: int = 1, repeats: int = 0, is_group: bool = False) -> None:
        self.branch_ways *= ways
        self.branch_repeats += repeats
        self.last_ways, self.last_is_group = ways, is_group

    def close_branch(self) -> None:
        self.ways += self.branch_ways
        self.repeats = max(self.repeats, self.branch_repeats)
        self.branch_ways, self.branch_repeats = 1, 0


def compiled(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    r"""Compile a pattern that cannot run away. Raises ValueError for any other, with what is wrong.

    >>> compiled(r"\b\d{1,3} ?(?:km|miles)\b", ignore_case=False).search("about 12 km").span()
    (6, 11)
    >>> compiled("(a+)+b", ignore_case=False)
    Traceback (most recent call last):
    ValueError: the pattern '(a+)+b' repeats a group, which can take forever; repeat single characters only
    """
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"the pattern is longer than {LONGEST_PATTERN} characters")
    try:
        found = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern {pattern!r} is no regular expression: {error}") from error
    if problem := problem_of(pattern):
        raise ValueError(f"the pattern {pattern!r} {problem}")
    if found.search(""):
        raise ValueError(f"the pattern {pattern!r} matches a text of nothing, so it would be found everywhere")
    return found


def problem_of(pattern: str) -> str:
    """Say why a pattern that compiles could run away, or return an empty string."""
    groups = [_Group()]
    for token in TOKEN.finditer(pattern):
        if problem := _problem_of_token(token, groups):
            return problem
    groups[-1].close_branch()
    if groups[-1].repeats > 1:
        return "has more than one open repeat in a row; let all but one keep what they took, like a++ or a*+"
    most = WAYS if groups[-1].repeats else WAYS_ALONE
    if groups[-1].ways > most:
        advice = (
            "; an open repeat that keeps what it took, like a++ or a*+, counts nothing" if groups[-1].repeats else ""
        )
        return f"can be matched in {groups[-1].ways} ways by its ?, {{,}} and |, and {most} are the most taken{advice}"
    return ""


def _problem_of_token(token: re.Match[str], groups: list[_Group]) -> str:
    kind, text, group = token.lastgroup, token.group(), groups[-1]
    if kind == "back":
        return "refers back to a group, which cannot be matched in bounded time"
    if kind == "odd":
        return "has a group of the kind (?...); only (...) and (?:...) are taken"
    if kind == "repeat":
        return _problem_of_repeat(text, group)
    if kind == "open":
        groups.append(_Group())
    elif kind == "close":
        group.close_branch()
        groups.pop()
        groups[-1].add(ways=group.ways, repeats=group.repeats, is_group=True)
    elif kind == "bar":
        group.close_branch()
    else:
        group.add()
    return ""


def _problem_of_repeat(text: str, group: _Group) -> str:
    """Multiply the ways of the branch by those that this repeat adds to what stands before it."""
    least, most = _bounds(text)
    if group.last_is_group and (least, most) != (0, 1):
        return "repeats a group, which can take forever; repeat single characters only"
    if len(text) > 1 and text.endswith("+"):
        return ""
    if most is None:
        group.branch_repeats += 1
        return ""
    before = group.last_ways
    group.branch_ways = group.branch_ways // before * (before + 1 if group.last_is_group else most - least + 1)
    return ""


def _bounds(text: str) -> tuple[int, int | None]:
    if text[0] in "*+":
        return int(text[0] == "+"), None
    if text[0] == "?":
        return 0, 1
    match = BOUNDS.match(text)
    low, comma, high = match.groups() if match else ("", ",", "")
    least = int(low or 0)
    if not comma:
        return least, least
    return least, int(high) if high else None
