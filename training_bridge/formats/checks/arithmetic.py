"""Every sum that the output states must hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from training_bridge.formats.checks import expressions, finding


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """`a op b = c` is worked out in fractions, with brackets, chains, percent and thousands separators.

    A result that is stated with decimals may be rounded to them, one after `≈` to its last digit; `tolerance` is what
    it may be off besides. Nothing is said of what cannot be read for sure: variables, powers, sums of several units.

    >>> check = Arithmetic()
    >>> [each.message for each in check.findings(prompt="", output="So 12 * 3 + 1 = 38 and 10 / 3 = 3.33.")]
    ['12 * 3 + 1 is 37, not 38.']
    """

    tolerance: float = 0

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise ValueError("tolerance must be 0 or more")

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        return finding.first(each for run in expressions.runs(output) for each in self._of_run(run, output))

    def _of_run(self, run: Sequence[expressions.Token], output: str) -> Iterator[finding.Finding]:
        signs = [at for at, each in enumerate(run) if each.kind in ("equals", "approx")]
        bounds = [-1, *signs, len(run)]
        sides = [run[before + 1 : after] for before, after in itertools.pairwise(bounds)]
        for number, at in enumerate(signs):
            left, right = expressions.value(_end_of(sides[number])), expressions.value(_begin_of(sides[number + 1]))
            if left is None or right is None or not _is_claim(left, right):
                continue
            goes_on = number + 2 < len(sides)
            if goes_on and not left.signs and len(sides[number]) > len(_end_of(sides[number])):
                continue  # "4 cats ate 2 tins = 4 * 2 = 8 tins": the number is the sentence's
            if not self._holds(left, right, is_rough=run[at].kind == "approx", goes_on=goes_on):
                sum_, stated = (right, left) if left.is_stated and not left.signs else (left, right)
                said, other = output[sum_.start : sum_.end], output[stated.start : stated.end]
                message = f"{finding.quote(said)} is {_shown(sum_.amount)}, not {finding.quote(other)}."
                yield finding.Finding(message=message, start=left.start, end=right.end)

    def _holds(self, left: expressions.Value, right: expressions.Value, *, is_rough: bool, goes_on: bool) -> bool:
        allowed = Fraction(str(self.tolerance)) + max(_rounding(each, is_rough=is_rough) for each in (left, right))
        factors = {Fraction(1), *(Fraction(100) for each in (left, right) if each.has_percent)}
        amounts = [right.amount, *([right.first.value] if goes_on else [])]  # 2 + 3 = 5 * 4 = 20, said in one go
        return any(
            abs(left.amount - amount * factor) <= allowed * factor
            or abs(left.amount * factor - amount) <= allowed * factor
            for amount in amounts
            for factor in factors
        )


def _is_claim(left: expressions.Value, right: expressions.Value) -> bool:
    """Whether something is worked out, in units that can be added up."""
    if not (left.signs or right.signs):
        return False
    return len(left.units | right.units) < 2 or not (left.signs | right.signs) & {"+", "-"}


def _rounding(stated: expressions.Value, *, is_rough: bool) -> Fraction:
    """Half a unit of the last digit that is written, where the number may be a rounded one."""
    if not stated.is_stated or not (stated.first.decimals or is_rough):
        return Fraction(0)
    digits = stated.first.text.replace(",", "")
    zeros = len(digits) - len(digits.rstrip("0")) if is_rough and not stated.first.decimals else 0
    return Fraction(10) ** (zeros - stated.first.decimals) / (200 if stated.first.percent else 2)


def _end_of(side: Sequence[expressions.Token]) -> Sequence[expressions.Token]:
    """What stands after the last word that is no unit, and the last bracket that is not closed.

    Nothing where that reaches back to the word: `f(3) = 4`, `x + 3 = 4`.
    """
    opened: list[int] = []
    after = 0
    for at, each in enumerate(side):
        if each.kind == "word":
            after, opened = at + 1, []
        elif each.kind == "open":
            opened.append(at)
        elif each.kind == "close" and opened:
            opened.pop()
    if 0 < after < len(side) and (side[after].kind == "operator" or side[after].start == side[after - 1].end):
        return ()
    return side[max(after, opened[-1] + 1 if opened else 0) :]


def _begin_of(side: Sequence[expressions.Token]) -> Sequence[expressions.Token]:
    """What stands before the first word that is no unit, and the first bracket that was not opened.

    Nothing where it reaches on to the word: `4 = (2)x`, `4 = 3 + x`.
    """
    depth = 0
    for at, each in enumerate(side):
        depth += (each.kind == "open") - (each.kind == "close")
        if each.kind == "word" or depth < 0:
            before = side[at - 1] if at and each.kind == "word" else None
            touches = before and (before.kind == "operator" or before.end == each.start)
            return () if touches else side[:at]
    return side


def _shown(amount: Fraction) -> str:
    """
    >>> _shown(Fraction(37)), _shown(Fraction(10, 3))
    ('37', '3.3333')
    """
    return str(amount.numerator) if amount.denominator == 1 else f"{float(amount):.5g}"
