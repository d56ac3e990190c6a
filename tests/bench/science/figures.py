"""The bench's statistics: pass@k, and intervals over seeds."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

COVERAGE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and the ends of its 95 % interval; the ends are not numbers where there is but one value."""

    mean: float
    low: float
    high: float

    def says(self, places: int = 2, *, is_change: bool = False) -> str:
        """`0.61 (0.58-0.64)`, a change with its sign: `+0.12 (+0.09 to +0.15)`."""
        sign = "+" if is_change else ""
        middle, low, high = (f"{each:{sign}.{places}f}" for each in (self.mean, self.low, self.high))
        return middle if math.isnan(self.low) else f"{middle} ({low}{' to ' if is_change else '-'}{high})"


def pass_at(k: int, *, drawn: int, right: int) -> float:
    """1 - C(n - c, k) / C(n, k): the unbiased chance that one of k of the n draws is right (arXiv:2107.03374, eq. 1).

    Raises ValueError where k is not in 1..n or c is not in 0..n.

    >>> pass_at(1, drawn=4, right=1), pass_at(2, drawn=4, right=1), pass_at(4, drawn=4, right=1)
    (0.25, 0.5, 1.0)
    """
    if not (1 <= k <= drawn and 0 <= right <= drawn):
        raise ValueError(f"pass@{k} of {right} right in {drawn} draws")
    return 1.0 - math.comb(drawn - right, k) / math.comb(drawn, k)


def mean_pass_at(k: int, *, drawn: int, right: Sequence[int]) -> float:
    """The mean of `pass_at` over prompts."""
    return sum(pass_at(k, drawn=drawn, right=each) for each in right) / len(right)


def over_seeds(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean over seeds. A seed brings its own base, prompts and draws, so the spread over
    seeds holds all of these. For a paired change, hand in each seed's difference.

    >>> over_seeds([1.0, 2.0, 3.0]).says()
    '2.00 (-0.48-4.48)'
    """
    mean = sum(values) / len(values)
    if len(values) < 2:
        return Interval(mean=mean, low=math.nan, high=math.nan)
    variance = sum((each - mean) ** 2 for each in values) / (len(values) - 1)
    half = float(stats.t.ppf((1 + COVERAGE) / 2, len(values) - 1)) * math.sqrt(variance / len(values))
    return Interval(mean=mean, low=mean - half, high=mean + half)


def over_prompts(values: Sequence[Sequence[float]], *, seed: int = 0, draws: int = 2000) -> Interval:
    """A percentile bootstrap over seeds and, within each, over prompts: `values[s][p]`.

    Five seeds are few to draw from: it comes out narrower than `over_seeds`, which the tables use.
    """
    chance = random.Random(seed)
    means = []
    for _ in range(draws):
        taken = [chance.choices(row, k=len(row)) for row in chance.choices(values, k=len(values))]
        means.append(sum(sum(row) / len(row) for row in taken) / len(taken))
    means.sort()
    edge = round(draws * (1 - COVERAGE) / 2)
    mean = sum(sum(row) / len(row) for row in values) / len(values)
    return Interval(mean=mean, low=means[edge], high=means[draws - 1 - edge])
