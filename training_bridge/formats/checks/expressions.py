r"""Sums as people write them, read exactly: `2 × (3 + 4) − 1`, `$1,200 / 3`, `20% of 50`, `5 apples + 3 apples`.

A text is cut into runs of tokens at punctuation and line ends. Numbers have thousands separators `1,000` and decimals
`.5`; what cannot be read for sure (powers, variables, `1,5`, `2x`) makes a BAD token, and nothing is said of what it
touches. Values are fractions. Linear in the text: what has more than LONGEST tokens or digits is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 60
DEEPEST = 10

# No possessive quantifier stands behind a group, here or in the files beside: Python before 3.11.5 keeps what the last,
# failed turn of the group took.
TOKEN = re.compile(
    r"""
      (?P<number>\d++(?:[.,]\d++)*|\.\d++)(?P<percent>\s?%)?(?P<letter>[^\W\d_](?!\w))?
    | (?P<word>[^\W\d]\w*+)
    | (?P<approx>≈|≃|~=?|\\approx\b)
    | (?P<bad>(?<=\s)\*\*(?=\s)|(?<=\d)\*\*(?=[\d(])|[<>!=]=+|=>|[-−–][->]|[+-]{2}|\\(?!times|cdot|div)[a-z]+)
    | (?P<blank>[^\S\n]++|[$€£¥]|\*\*)
    | (?P<equals>=)
    | (?P<operator>[-+−–*×·⋅÷/]|\\(?:times|cdot|div))
    | (?P<open>\()
    | (?P<close>\))
    | (?P<boundary>[,;:.?!"'`|{}\[\]<>\#&\n•…“”‘’\\])
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
EQUALS = re.compile(r"[=≈≃~]|\\approx")
PLAIN = re.compile(r"(?:[1-9]\d{0,2}(?:,\d{3})+|0|[1-9]\d*)(?:\.\d+)?|\.\d+")
SIGNS = {"−": "-", "–": "-", "×": "*", "·": "*", "⋅": "*", "x": "*", "X": "*", "of": "*", "÷": "/"} | {
    r"\times": "*", r"\cdot": "*", r"\div": "/"
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """`kind` is number, word, unit, operator, equals, approx, open, close or bad. `decimals` are a number's."""

    kind: str
    text: str
    start: int
    end: int
    value: Fraction = Fraction(0)
    decimals: int = 0
    percent: bool = False
    spaced: bool = False


@dataclass(frozen=True, kw_only=True)
class Value:
    """What an expression comes to. `is_stated`: it is a single number, not a sum. `first` is its first number."""

    amount: Fraction
    first: Token
    is_stated: bool
    has_percent: bool
    signs: frozenset[str]
    units: frozenset[str]
    start: int
    end: int


def runs(text: str) -> Iterator[list[Token]]:
    """Yield the runs of tokens that have an equals sign. Lines without one are not looked at."""
    start = 0
    for line in text.splitlines(keepends=True):
        if EQUALS.search(line):
            yield from _runs(text, start, start + len(line))
        start += len(line)


def value(tokens: Sequence[Token]) -> Value | None:
    """Work out an expression, or return None where it is none that can be read for sure.

    >>> [run] = runs("2 * (3 + 4) - 20% of 10 = 12")
    >>> str(value(run[:-2]).amount)
    '12'
    """
    if not 1 <= len(tokens) <= LONGEST or any(each.kind in ("bad", "word") for each in tokens):
        return None
    numbers = [each for each in tokens if each.kind == "number"]
    reader = _Reader(tokens)
    amount = reader.sum(0)
    if amount is None or reader.at < len(tokens):
        return None
    signs = frozenset(each.text for each in tokens[1:] if each.kind == "operator")
    percents = sum(each.percent for each in numbers)
    if signs & {"+", "-"} and 0 < percents < len(numbers) and "*" not in signs:
        return None
    return Value(
        amount=amount,
        first=numbers[0],
        is_stated=len(numbers) == 1,
        has_percent=percents > 0,
        signs=signs,
        units=frozenset(each.text.casefold().removesuffix("s") for each in tokens if each.kind == "unit"),
        start=tokens[0].start,
        end=tokens[-1].end,
    )


def _token(kind: str, match: re.Match[str], run: Sequence[Token], text: str) -> Token:
    said, before = match.group(), run[-1].kind if run else ""
    start, end = match.span()
    if kind == "number":
        return _number(match)
    if kind == "word":
        kind, said = _word(said, before, run, text[end : end + 2])
    elif kind == "operator":
        said = SIGNS.get(said, said)
    elif kind == "other":
        kind = "bad"
    return Token(kind=kind, text=said, start=start, end=end, spaced=text[end : end + 1].isspace())


def _number(match: re.Match[str]) -> Token:
    said = match["number"]
    if match["letter"] or len(said) > LONGEST or not PLAIN.fullmatch(said):
        return Token(kind="bad", text=said[:LONGEST], start=match.start(), end=match.end())
    amount = Fraction(said.replace(",", ""))
    return Token(
        kind="number", text=said, start=match.start(), end=match.end(),
        value=amount / 100 if match["percent"] else amount,
        decimals=len(said.partition(".")[2]), percent=bool(match["percent"]),
    )  # fmt: skip


def _word(said: str, before: str, run: Sequence[Token], after: str) -> tuple[str, str]:
    """A word after a number is its unit; `x` between numbers multiplies, and so does `of` after a percentage."""
    if before in ("number", "unit", "close", "bad") and said in ("x", "X") and re.match(r"\s?[\d.($]", after):
        return "operator", "*"
    if before == "number" and said == "of" and run[-1].percent:
        return "operator", "*"
    if before == "number" and len(said) > 1 and said.isalpha() and said not in ("of", "and", "or", "is", "are", "per"):
        return "unit", said
    return ("word" if said[0].isalpha() else "bad"), said


def _runs(text: str, start: int, end: int) -> Iterator[list[Token]]:
    run: list[Token] = []
    depth = 0
    for match in TOKEN.finditer(text, start, end):
        kind = str(match.lastgroup if match["number"] is None else "number")
        if kind == "blank":
            continue
        depth += (kind == "open") - (kind == "close")
        if kind != "boundary" and depth >= 0:
            run.append(_token(kind, match, run, text))
            continue
        if any(each.kind in ("equals", "approx") for each in run):
            yield _without_edges(run)
        run, depth = [], 0
    if any(each.kind in ("equals", "approx") for each in run):
        yield _without_edges(run)


def _without_edges(run: list[Token]) -> list[Token]:
    """A run without a bullet before it, and without emphasis or a dash after."""
    first, last = run[0], run[-1]
    is_bullet = first.kind == "operator" and first.text in "*-" and (first.spaced or first.text == "*")
    return run[is_bullet : len(run) - (last.kind == "operator" and last.text in "*-")]


class _Reader:
    """Recursive descent over sums, products, signs and brackets. Every method returns None where it cannot go on."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def sum(self, depth: int) -> Fraction | None:
        amount = self.product(depth)
        while amount is not None and (sign := self._take("operator", "+-")):
            other = self.product(depth)
            if other is None:
                return None
            amount = amount + other if sign == "+" else amount - other
        return amount

    def product(self, depth: int) -> Fraction | None:
        amount = self.factor(depth)
        while amount is not None and (sign := self._take("operator", "*/")):
            other = self.factor(depth)
            if other is None or (sign == "/" and other == 0):
                return None
            amount = amount * other if sign == "*" else amount / other
        return amount

    def factor(self, depth: int) -> Fraction | None:
        is_negative = self._take("operator", "-")
        amount = self.atom(depth)
        return -amount if amount is not None and is_negative else amount

    def atom(self, depth: int) -> Fraction | None:
        if depth < DEEPEST and self._take("open"):
            amount = self.sum(depth + 1)
            return amount if self._take("close") else None
        if self.at < len(self.tokens) and self.tokens[self.at].kind == "number":
            self.at += 1
            amount = self.tokens[self.at - 1].value
            self._take("unit")
            return amount
        return None

    def _take(self, kind: str, texts: str = "") -> str:
        """The text of the next token if it is of this kind, and one of these; it is then behind."""
        if self.at == len(self.tokens) or self.tokens[self.at].kind != kind:
            return ""
        said = self.tokens[self.at].text
        if texts and said not in texts:
            return ""
        self.at += 1
        return said
