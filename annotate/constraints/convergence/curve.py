"""How many constraints fewer reviews would have shown, and some more would: the curve with its band. Pure.

Seeded, so that the same counts give the same band.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from annotate.constraints.convergence import saturation
from annotate.constraints.convergence.saturation import Incidence

POINTS = 32
"""Places of the curve up to n; a quarter as many beyond."""
BEYOND = 1.5
REPLICATES = 200
SEED = 20_261_121
CELLS = 2_000_000
"""Numbers drawn at once, at most: replicates go in blocks of so many."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """Constraints that `units` reviews show on average, with the 95 % band. Beyond n they are foretold."""

    units: int
    mean: float
    low: float
    high: float


def curve(incidence: Incidence, *, replicates: int = REPLICATES, seed: int = SEED) -> list[Point]:
    """Return rarefaction to n and extrapolation to 1.5 n (Colwell et al. 2012), by units, ascending.

    The band is +- 1.96 standard deviations over bootstrap replicates of the estimated assemblage (Chao et al. 2014,
    Ecological Monographs 84:45): constraints seen Y times of n keep a rate somewhat below Y/n, what
    coverage lacks is shared by as many unseen ones as Chao2 says, and each replicate draws every count anew.
    """
    if not incidence.units or not incidence.observed:
        return []
    grid = places(incidence.units)
    js = np.array(list(incidence.frequencies), dtype=float)
    fs = np.array([list(incidence.frequencies.values())], dtype=float)
    mean = _means(js, fs, incidence.units, grid)[0]
    spread = saturation.Z * _deviations(incidence, grid, replicates, np.random.default_rng(seed))
    return [
        Point(units=int(t), mean=float(m), low=float(max(0.0, m - s)), high=float(m + s))
        for t, m, s in zip(grid, mean, spread, strict=True)
    ]


def places(units: int) -> np.ndarray:
    """Return the numbers of units at which the curve is given: evenly to n, which is one of them, and to 1.5 n."""
    before = np.linspace(1, units, min(units, POINTS)).round()
    beyond = np.linspace(units, BEYOND * units, POINTS // 4 + 1).round()
    return np.unique(np.concatenate([before, beyond])).astype(int)


def _means(js: np.ndarray, fs: np.ndarray, n: int, grid: np.ndarray) -> np.ndarray:
    """Expected numbers seen, [replicates, places], from frequencies [replicates, js]."""
    inside = np.minimum(grid, n)
    seen = fs @ (1 - _missed(js, n, inside))
    ahead = grid - inside
    once, twice = _count(js, fs, 1), _count(js, fs, 2)
    more = (n - 1) / n * once * (once - 1) / (2 * (twice + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(more > 0, once / (n * more + once), 0.0)
    foretold: np.ndarray = seen + more[:, None] * (1 - (1 - rate[:, None]) ** ahead[None, :])
    return foretold


def _count(js: np.ndarray, fs: np.ndarray, wanted: int) -> np.ndarray:
    found: np.ndarray = fs[:, js == wanted].sum(axis=1)
    return found


def _missed(js: np.ndarray, n: int, grid: np.ndarray) -> np.ndarray:
    """The chance that t of n units miss all j that have it, C(n-j, t) / C(n, t): [js, places]."""
    rest = n - js[:, None] - grid[None, :]
    ways = gammaln(n - js + 1)[:, None] - gammaln(np.maximum(rest, 0) + 1) - gammaln(n + 1) + gammaln(n - grid + 1)
    return np.where(rest >= 0, np.exp(np.minimum(ways, 0.0)), 0.0)


def _deviations(incidence: Incidence, grid: np.ndarray, replicates: int, chance: np.random.Generator) -> np.ndarray:
    """The standard deviation at each place, gathered block by block."""
    sums = np.zeros((2, len(grid)))
    for drawn in _drawn(incidence, replicates, chance):
        js, fs = _frequencies(drawn)
        means = _means(js, fs, incidence.units, grid)
        sums += np.stack([means.sum(axis=0), (means**2).sum(axis=0)])
    mean = sums[0] / replicates
    deviation: np.ndarray = np.sqrt(np.maximum(0.0, sums[1] / replicates - mean**2))
    return deviation


def _drawn(incidence: Incidence, replicates: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Blocks of counts, [replicates of the block, constraints]."""
    rates = assemblage(incidence)
    block = max(1, CELLS // len(rates))
    for start in range(0, replicates, block):
        yield chance.binomial(incidence.units, rates, size=(min(block, replicates - start), len(rates)))


def assemblage(incidence: Incidence) -> np.ndarray:
    """Return an estimated rate per constraint, those never seen too. Their sum is what was seen per unit."""
    n, share = incidence.units, saturation.coverage(incidence)
    deficit = 0.0 if share is None else (1 - share.value) * incidence.total / n
    seen = np.repeat(list(incidence.frequencies), list(incidence.frequencies.values())) / n
    slack = seen * (1 - seen) ** n
    scale = deficit / slack.sum() if slack.sum() > 0 else 0.0
    kept = np.maximum(0.0, seen * (1 - scale * (1 - seen) ** n))
    hidden = int(np.ceil(saturation.unseen(incidence)))
    return np.concatenate([kept, np.full(hidden, min(1.0, deficit / hidden) if hidden else 0.0)])


def _frequencies(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct counts j > 0, and how many constraints have each: [replicates, js]."""
    values, places_ = np.unique(drawn, return_inverse=True)
    rows = np.arange(len(drawn))[:, None] * len(values) + places_.reshape(drawn.shape)
    table = np.bincount(rows.ravel(), minlength=len(drawn) * len(values)).reshape(len(drawn), len(values))
    return values[values > 0].astype(float), table[:, values > 0].astype(float)
