"""Which constraints are violated together, and which one never without another. Pure: plain values in and out.

Of `outputs` judged outputs, a and b are violated (by consensus) on n_a and n_b, on n_ab together.

    phi = (n_ab N - n_a n_b) / sqrt(n_a (N - n_a) n_b (N - n_b))          (Yule 1912; Pearson's correlation of two 0/1)
    P(b | a) = n_ab / n_a, with Wilson's interval

phi's interval keeps the margins and puts the ends of P(commoner | rarer) in its place: with q = n/N of each,
phi = (P(b | a) - q_b) sqrt(q_a / ((1 - q_a) q_b (1 - q_b))), linear in P(b | a). The usual interval by Fisher's z takes
all N outputs as its sample and is far too narrow where both are rare.

Whether two are together more often than chance: Fisher's exact test, upper tail, n_ab hypergeometric given the margins;
where they are together no more often than expected the p-value is given as 1. Adjusted (Benjamini and Hochberg 1995)
over ALL pairs of constraints, those never met counting with p = 1.

`a` implies `b` when the lower end of P(b | a) is at least IMPLIED, n_a at least SUPPORT and the adjusted p-value at
most CLEAR: a constraint that is violated everywhere is implied by nothing else than its frequency.

Worked by hand: N = 100, n_a = 10, n_b = 20, n_ab = 8. phi = (800 - 200) / sqrt(10 * 90 * 20 * 80) = 600 / 1200 = 0.5;
P(b | a) = 0.8, P(a | b) = 0.4.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from annotate.quality import false_discovery, gold

SUPPORT = 20
TOGETHER = 5
IMPLIED = 0.9
CLEAR = 0.05
AT_MOST = 64
"""Constraints of one output whose pairs are counted, those with the smallest ids: more would cost the square."""
BUFFER = 500_000


@dataclass(frozen=True, kw_only=True)
class Partner:
    """Another constraint as one sees it: `given_this` is P(other | this), `given_other` P(this | other), with ends."""

    other: int
    together: int
    phi: float
    phi_low: float
    phi_high: float
    given_this: tuple[float, float, float, int]
    given_other: tuple[float, float, float, int]
    adjusted: float
    implies: bool
    is_implied: bool


@dataclass(kw_only=True, slots=True)
class Together:
    """How often constraints are violated, and pairs of them, one output at a time.

    Memory: 16 bytes for each pair that ever met, plus a buffer of BUFFER pairs; never the outputs.
    """

    outputs: int = 0
    violated: Counter[int] = field(default_factory=Counter)
    _waiting: list[tuple[int, int]] = field(default_factory=list)
    _pairs: Any = None
    _counts: Any = None

    def add(self, constraints: Iterable[int]) -> None:
        """Count one output by the constraints it violates, each once."""
        self.outputs += 1
        found = sorted(set(constraints))
        self.violated.update(found)
        self._waiting.extend(itertools.combinations(found[:AT_MOST], 2))
        if len(self._waiting) >= BUFFER:
            self._settle()

    def pairs(self) -> tuple[Any, Any]:
        """Return the pairs that met, as an array [pairs, 2] of constraints in order, and how often."""
        self._settle()
        return self._pairs, self._counts

    def _settle(self) -> None:
        waiting = np.array(self._waiting, dtype=np.int64).reshape(-1, 2)
        counts = np.ones(len(waiting), dtype=np.int64)
        self._waiting.clear()
        if self._pairs is not None:
            waiting, counts = np.concatenate([self._pairs, waiting]), np.concatenate([self._counts, counts])
        self._pairs, places = np.unique(waiting, axis=0, return_inverse=True)
        self._counts = np.bincount(places.ravel(), weights=counts, minlength=len(self._pairs)).astype(np.int64)


def partners(together: Together, *, constraints: int, at_most: int = 5) -> dict[int, list[Partner]]:
    """Return for each constraint its strongest partners, those with the strongest phi first.

    Only pairs that met at least TOGETHER times, of constraints violated on at least SUPPORT outputs: of others nothing
    can be said. `constraints` is how many there are, for the number of pairs that could have been looked at.
    """
    pairs, counts = together.pairs()
    singles = np.array([[together.violated[int(each)] for each in pair] for pair in pairs], dtype=np.int64)
    singles = singles.reshape(-1, 2)
    kept = (counts >= TOGETHER) & (singles >= SUPPORT).all(axis=1)
    pairs, counts, singles = pairs[kept], counts[kept], singles[kept]
    p = tails(counts, singles[:, 0], singles[:, 1], together.outputs)
    adjusted = false_discovery.adjust(p, tests=constraints * (constraints - 1) // 2)
    order = np.argsort(-phi(counts, singles[:, 0], singles[:, 1], together.outputs), kind="stable")
    found: dict[int, list[Partner]] = {}
    for at in order:
        (a, b), (n_a, n_b) = pairs[at].tolist(), singles[at].tolist()
        both = int(counts[at])
        for this, other, n_this, n_other in ((a, b, n_a, n_b), (b, a, n_b, n_a)):
            mine = found.setdefault(this, [])
            if len(mine) < at_most or both >= IMPLIED * min(n_this, n_other):
                mine.append(_partner(other, both, n_this, n_other, together.outputs, float(adjusted[at])))
    return {each: list(_strongest(mine, at_most)) for each, mine in found.items()}


def phi(both: Any, a: Any, b: Any, outputs: int) -> Any:
    """Return phi of counts or arrays of counts; 0 where one of the two is on every output.

    >>> float(phi(8, 10, 20, 100))
    0.5
    """
    both, a, b = (np.asarray(each, dtype=np.float64) for each in (both, a, b))
    spread = np.sqrt(a * (outputs - a) * b * (outputs - b))
    return np.divide(both * outputs - a * b, spread, out=np.zeros_like(spread), where=spread > 0)


def tails(both: Any, a: Any, b: Any, outputs: int) -> Any:
    """Return P(n_ab >= both) under independence with these margins, arrays in, array out; 1 up to the expected count.

    Beyond the expected count each term is smaller than the last, by (a - k)(b - k) / ((k + 1)(N - a - b + k + 1)), so
    the sum ends soon; arrays of a million pairs cost seconds.

    >>> round(float(tails([3], [3], [3], 6)[0]), 12)  # one of C(6, 3) = 20 deals
    0.05
    """
    k, a, b = (np.asarray(each, dtype=np.float64) for each in (both, a, b))
    is_beyond = k * outputs > a * b
    term = np.where(is_beyond, np.exp(_log_chance(k, a, b, outputs)), 0.0)
    total = term.copy()
    while (term > total * 1e-12).any():
        term = term * (a - k) * (b - k) / ((k + 1) * (outputs - a - b + k + 1))
        total, k = total + term, k + 1
    return np.where(is_beyond, np.minimum(total, 1.0), 1.0)


def _log_chance(k: Any, a: Any, b: Any, outputs: int) -> Any:
    return _log_ways(a, k) + _log_ways(outputs - a, b - k) - _log_ways(outputs, b)


def _log_ways(of: Any, chosen: Any) -> Any:
    return special.gammaln(of + 1) - special.gammaln(chosen + 1) - special.gammaln(of - chosen + 1)


def _partner(other: int, both: int, n_this: int, n_other: int, outputs: int, adjusted: float) -> Partner:
    given_this, given_other = _share(both, n_this), _share(both, n_other)
    low, high = _phi_ends(given_this if n_this <= n_other else given_other, n_this, n_other, outputs)
    is_clear = adjusted <= CLEAR
    return Partner(
        other=other,
        together=both,
        phi=float(phi(both, n_this, n_other, outputs)),
        phi_low=low,
        phi_high=high,
        given_this=given_this,
        given_other=given_other,
        adjusted=adjusted,
        implies=is_clear and given_this[1] >= IMPLIED,
        is_implied=is_clear and given_other[1] >= IMPLIED,
    )


def _share(both: int, of: int) -> tuple[float, float, float, int]:
    low, high = gold.wilson(both, of) or (0.0, 1.0)
    return both / of, low, high, of


def _phi_ends(given: Sequence[float], n_this: int, n_other: int, outputs: int) -> tuple[float, float]:
    rarer, commoner = min(n_this, n_other), max(n_this, n_other)
    low, high = (float(phi(end * rarer, rarer, commoner, outputs)) for end in given[1:3])
    return max(-1.0, low), min(1.0, high)


def _strongest(mine: Sequence[Partner], at_most: int) -> Iterator[Partner]:
    """Yield the implications first where there are more partners than fit, then the strongest."""
    first = sorted(mine, key=lambda each: (not (each.implies or each.is_implied), -each.phi, each.other))[:at_most]
    yield from sorted(first, key=lambda each: (-each.phi, each.other))
