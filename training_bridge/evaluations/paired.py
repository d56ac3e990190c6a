"""Two checkpoints on the same prompts: what changed, and could it be chance? Plain values in, plain values out.

A prompt is `fixed` when only the parent's output violates, `new` when only the checkpoint's does, `persistent` when
both do. Only fixed and new prompts say anything about a change. If nothing had changed, each of the n = fixed + new
would fall on either side like a fair coin: the exact McNemar test (McNemar 1947; the exact form is a sign test).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FIXED, IMPROVED, PERSISTENT, REGRESSED, NEW, ABSENT = (
    "fixed",
    "improved",
    "persistent",
    "regressed",
    "new",
    "absent",
)


CLEAR = 0.05
"""A change whose (adjusted) p-value is not below this may well be chance."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Of `pairs` prompts judged for both."""

    pairs: int
    fixed: int
    persistent: int
    new: int

    @property
    def before(self) -> int:
        return self.fixed + self.persistent

    @property
    def after(self) -> int:
        return self.new + self.persistent

    @property
    def p_value(self) -> float:
        return mcnemar(fixed=self.fixed, new=self.new)

    @property
    def verdict(self) -> str:
        """Name the change by the counts alone; whether it is more than chance, `is_clear` says."""
        if self.before == self.after:
            return PERSISTENT if self.before else ABSENT
        if self.after < self.before:
            return IMPROVED if self.after else FIXED
        return REGRESSED if self.before else NEW


def count(pairs: Iterable[tuple[bool, bool]]) -> Counts:
    """Count pairs of (violated before, violated after).

    >>> count([(True, False), (True, True), (False, True), (True, False), (False, False)])
    Counts(pairs=5, fixed=2, persistent=1, new=1)
    """
    tally = {(False, False): 0, (False, True): 0, (True, False): 0, (True, True): 0}
    for before, after in pairs:
        tally[before, after] += 1
    return Counts(
        pairs=sum(tally.values()), fixed=tally[True, False], persistent=tally[True, True], new=tally[False, True]
    )


def mcnemar(*, fixed: int, new: int) -> float:
    """Return the exact two-sided p-value: twice the binomial tail at the smaller count, at most 1.

    With 8 fixed and 1 new, n = 9: 2 (C(9,0) + C(9,1)) / 2^9 = 20 / 512.

    >>> mcnemar(fixed=8, new=1)
    0.0390625
    >>> mcnemar(fixed=5, new=0)  # 2 / 32
    0.0625
    >>> mcnemar(fixed=3, new=3), mcnemar(fixed=0, new=0)
    (1.0, 1.0)
    """
    trials = fixed + new
    tail = ways = 1
    for heads in range(min(fixed, new)):
        ways = ways * (trials - heads) // (heads + 1)
        tail += ways
    # Whole numbers until the last step: exact for any count, where 2.0 ** -n would be 0 beyond n = 1074.
    return min(1.0, 2 * tail / (1 << trials))


def is_clear(p: float) -> bool:
    return p < CLEAR


def shown(p: float) -> str:
    """Return a p-value as every table shows it.

    >>> shown(0.00004), shown(0.0390625), shown(1.0)
    ('< 0.001', '0.039', '1.000')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
