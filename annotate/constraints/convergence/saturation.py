"""How many constraints are still unseen, from how often each was seen. Pure: counts in, estimates out.

Reviewed outputs are the sampling units, constraints the species, and an output in which a constraint is violated is one
incidence of it. All that the estimators need is the number of units n and, for each j, the number f_j of constraints
seen in exactly j units; memory does not grow with the outputs.

What they assume: outputs come in random order, a constraint is violated in an output independently of the outputs
before, at a rate that does not change, and whoever reviews an output recognises every violation in it, or misses a
fixed share. Where rates differ between constraints, Chao2 is a lower bound of the number of constraints. Sample
coverage and the number of new ones in as many reviews again hold for any rates.

Sources: Chao 1987 (Biometrics 43:783); Colwell et al. 2012 (J. Plant Ecology 5:3); Good 1953 (Biometrika 40:237);
Esty 1983 (Annals of Statistics 11:905); Chao and Jost 2012 (Ecology 93:2533); Good and Toulmin 1956 (Biometrika 43:45);
Efron and Thisted 1976 (Biometrika 63:435); Orlitsky, Suresh and Wu 2016 (PNAS 113:13283).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

Z = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""
NEAR = 1.05
"""Reviews ahead, as a multiple of those done, below which smoothing is no longer loosened."""


@dataclass(frozen=True, kw_only=True)
class Incidence:
    """`units` reviewed outputs; `frequencies[j]` constraints were seen in exactly j of them, j from 1 to `units`."""

    units: int
    frequencies: Mapping[int, int] = field(default_factory=dict)

    @property
    def observed(self) -> int:
        """How many constraints were seen at all."""
        return sum(self.frequencies.values())

    @property
    def total(self) -> int:
        """U, the number of incidences: the sum of j f_j."""
        return sum(j * count for j, count in self.frequencies.items())

    @property
    def once(self) -> int:
        return self.frequencies.get(1, 0)

    @property
    def twice(self) -> int:
        return self.frequencies.get(2, 0)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class New:
    """Constraints expected new in the next k reviews. `is_beyond`: k is more than there were, so this is a guess."""

    estimate: Estimate
    is_beyond: bool


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Enough was seen: sample coverage at least this, and fewer than so many new expected in the next `reviews`."""

    coverage: float
    expected_new: float
    reviews: int


@dataclass(frozen=True, kw_only=True)
class Stop:
    """What a rule finds. `is_early`: there are fewer reviews than it looks ahead, so it cannot be met yet."""

    is_met: bool
    is_early: bool
    coverage: Estimate | None
    new: New | None


def tally(counts: Iterable[int], *, units: int) -> Incidence:
    """Return the incidence of constraints seen in these numbers of units; zeros are of constraints never seen.

    >>> tally([1, 1, 3, 0], units=5).frequencies
    {1: 2, 3: 1}
    """
    return Incidence(units=units, frequencies=dict(sorted(Counter(each for each in counts if each > 0).items())))


def chao2(incidence: Incidence) -> Estimate:
    """Return the least number of constraints there are, with its log-normal interval (Chao 1987; Colwell 2012).

    The bias-corrected form, which needs no f_2 > 0: S + (n-1)/n f_1 (f_1 - 1) / (2 (f_2 + 1)). The variance is
    the one that EstimateS gives for this form (user's guide, appendix B), and so is the interval where f_1 is below 2.
    Its ends are whole numbers, as what they are of.

    Ten outputs, 8 constraints, four of them seen once and two twice: 8 + 0.9 * 12 / 6 = 9.8.

    >>> found = chao2(Incidence(units=10, frequencies={1: 4, 2: 2, 5: 2}))
    >>> round(found.value, 3), round(found.low, 2), round(found.high, 2)
    (9.8, 8.0, 23.0)
    """
    seen, more = incidence.observed, unseen(incidence)
    if more <= 0:
        low, high = _complete_interval(incidence)
        return Estimate(value=float(seen), low=low, high=high)
    reach = math.exp(Z * math.sqrt(math.log1p(_chao2_variance(incidence) / more**2)))
    return Estimate(value=seen + more, low=float(seen + int(more / reach)), high=float(seen + math.ceil(more * reach)))


def unseen(incidence: Incidence) -> float:
    """Return Chao2 less what was seen: the least number of constraints never seen."""
    n, once, twice = incidence.units, incidence.once, incidence.twice
    return (n - 1) / n * once * (once - 1) / (2 * (twice + 1)) if n else 0.0


def _chao2_variance(incidence: Incidence) -> float:
    """The variance of the bias-corrected form; f_1 is at least 2 here."""
    a = (incidence.units - 1) / incidence.units
    once, twice = incidence.once, incidence.twice
    if twice == 0:
        estimate = incidence.observed + unseen(incidence)
        square = once * (2 * once - 1) ** 2 / 4 - once**4 / (4 * estimate)
        return max(0.0, a * once * (once - 1) / 2 + a * a * square)
    more = twice + 1
    first = a * once * (once - 1) / (2 * more)
    second = a * a * once * (2 * once - 1) ** 2 / (4 * more**2)
    third = a * a * once**2 * twice * (once - 1) ** 2 / (4 * more**4)
    return first + second + third


def _complete_interval(incidence: Incidence) -> tuple[float, float]:
    """Where nothing says that any is unseen: the share missed is that of a Poisson count, e^(-U/S)."""
    seen = incidence.observed
    if not seen:
        return 0.0, 0.0
    missed = math.exp(-incidence.total / seen)
    if missed >= 1:
        return float(seen), math.inf
    middle, reach = seen / (1 - missed), Z * math.sqrt(seen * missed) / (1 - missed)
    return max(float(seen), middle - reach), middle + reach


def coverage(incidence: Incidence) -> Estimate | None:
    """Return the share of all violations that are of a constraint seen before; None before the first violation.

    C = 1 - f_1/U (n-1) f_1 / ((n-1) f_1 + 2 f_2), with f_2 = 0: f_1 - 1 and 1 (Chao and Jost 2012). The variance of
    its error is (f_1 + 2 f_2 - f_1^2/U) / U^2 (Esty 1983), which holds for any rates. The interval is symmetric in the
    square root of 1 - C, where a count's spread does not depend on its size, and reaches 1 where Chao2's says that all
    may have been seen. Where 1 - C is 0, its lower end is 1 less the Poisson bound of f_1, over U.

    Ten outputs, f_1 = 4, f_2 = 2, U = 18: 1 - 4/18 * 36/40 = 0.8.

    >>> found = coverage(Incidence(units=10, frequencies={1: 4, 2: 2, 5: 2}))
    >>> found and (round(found.value, 3), round(found.low, 3), round(found.high, 3))
    (0.8, 0.404, 1.0)
    """
    total, once, twice = incidence.total, incidence.once, incidence.twice
    if not total:
        return None
    deficit = once / total * _turing(incidence)
    if deficit <= 0:
        bound = float(stats.chi2.ppf(0.975, 2 * (once + 1))) / 2 / total
        return Estimate(value=1.0, low=max(0.0, 1 - bound), high=1.0)
    error = math.sqrt(once + 2 * twice - once * once / total) / total
    root, reach = math.sqrt(deficit), Z * error / (2 * math.sqrt(deficit))
    may_be_all = chao2(incidence).low <= incidence.observed
    high = 1.0 if may_be_all else 1 - max(0.0, root - reach) ** 2
    return Estimate(value=1 - deficit, low=max(0.0, 1 - (root + reach) ** 2), high=high)


def _turing(incidence: Incidence) -> float:
    n, once, twice = incidence.units, incidence.once, incidence.twice
    if twice:
        return (n - 1) * once / ((n - 1) * once + 2 * twice)
    return (n - 1) * (once - 1) / ((n - 1) * (once - 1) + 2) if once else 0.0


def farthest(incidence: Incidence) -> int:
    """Return how many reviews ahead `expected_new` answers: n ln U, the order to which smoothing is known to hold."""
    return int(incidence.units * max(1.0, math.log(incidence.total))) if incidence.total else incidence.units


def expected_new(incidence: Incidence, *, reviews: int) -> New | None:
    """Return how many constraints never seen before the next `reviews` outputs show, as many as really will, +- 95 %.

    With t = k/n: the sum of h_j f_j, h_j = -(-t)^j (Good and Toulmin 1956), in which a constraint seen ten times weighs
    t^10 one way and one seen nine times t^9 the other: near t = 1 it jumps by chance, beyond it explodes. So each term
    is weighed by P(X >= j), X binomial of floor(log2(U s^2/(s-1)) / 2) trials at 1/(1+t), s = t (Efron and Thisted
    1976, tuned as in Orlitsky et al. 2016). That tuning is of t > 1 and has no trials at 1; below NEAR they are those
    of s = NEAR, where simulations show a smaller error than the bare sum's (docs/convergence.md). For t < 1/2 the
    weights that matter are all but 1.
    None beyond `farthest`.

    The error against the number that will really be new has variance sum h_j^2 f_j + the estimate: constraint by
    constraint, h of its count and whether it is new never occur together. The bias of the weights is not in it.

    Ten outputs, f_1 = 4, f_2 = 2, f_5 = 2, U = 18, the next 5: 4 trials at 2/3, so 4/2 * 80/81 - 2/4 * 72/81 = 1.5309.

    >>> found = expected_new(Incidence(units=10, frequencies={1: 4, 2: 2, 5: 2}), reviews=5)
    >>> found and (round(found.estimate.value, 4), round(found.estimate.high, 2), found.is_beyond)
    (1.5309, 4.69, False)
    """
    if not incidence.units or reviews < 1 or reviews > farthest(incidence):
        return None
    t = reviews / incidence.units
    js = np.array(list(incidence.frequencies), dtype=float)
    fs = np.array(list(incidence.frequencies.values()), dtype=float)
    h = _weights(js, t, incidence.total)
    value = max(0.0, float(h @ fs))
    error = Z * math.sqrt(float((h * h) @ fs) + value)
    return New(estimate=Estimate(value=value, low=max(0.0, value - error), high=value + error), is_beyond=t > 1)


def _weights(js: np.ndarray, t: float, total: int) -> np.ndarray:
    """h_j for each j; a term that has no weight is never raised to its power, which overflows."""
    sign = np.where(js % 2 == 1, 1.0, -1.0)
    tuned = max(t, NEAR)
    trials = max(1, int(math.log2(total * tuned * tuned / (tuned - 1)) / 2)) if total else 1
    kept = np.minimum(js, trials + 1)
    return np.where(js <= trials, sign * t**kept * stats.binom.sf(kept - 1, trials, 1 / (1 + t)), 0.0)


def stop(incidence: Incidence, *, rule: Rule) -> Stop:
    """Say whether the rule is met: by the estimates themselves, and not before as many reviews as it looks ahead."""
    found, new = coverage(incidence), expected_new(incidence, reviews=rule.reviews)
    is_early = incidence.units < rule.reviews
    is_met = (
        not is_early
        and found is not None
        and new is not None
        and found.value >= rule.coverage
        and new.estimate.value < rule.expected_new
    )
    return Stop(is_met=is_met, is_early=is_early, coverage=found, new=new)
