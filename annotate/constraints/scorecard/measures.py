"""The four properties of a constraint, as figures with intervals and counts. Pure: plain values in, plain values out.

Judgments of an output are votes about each constraint: an annotator who decided says "violated" with a violation that
is a member of the constraint, and "not violated" without one. In verify mode the answer says so. Then all that is asked
of agreement is how many outputs had `yes` of `votes`: few patterns, however many outputs.

* discrete: the mean over outputs of |2p - 1|, p = yes / votes: 1 where all say the same, 0 where half say the other.
  Over all outputs with two votes or more it is near 1 for every rare constraint; so the one that counts is over the
  outputs on which anybody saw it. Of those also the share of "cannot tell".
* verifiable: Krippendorff's alpha over the outputs with two votes or more (its formula: annotate/quality/agreement.py;
  an output with p of m disagrees by 2 p (m - p) / (m - 1)), and precision and recall of the check where there is one.
* independent and stable: independence.py and heterogeneity.py beside this file.

Intervals (95 %): of a mean over outputs of numbers between 0 and 1, Wilson's with the outputs as trials, which is at
least as wide as it should be; of alpha, the percentiles of BOOTSTRAP resamples of the outputs (seeded), the lower end
widened to what one more output on which one of two says yes would leave: resampling outputs that all agree never finds
a disagreement (this widening is ours, from no paper).

Worked by hand: three outputs with 2 of 2, 1 of 2 and 0 of 2. |2p - 1| is 1, 0, 1: mean 2/3 over all, 1/2 over the two
on which it was seen. alpha = 1 - (6 - 1) * 2 / (2 * 3 * 3) = 4/9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annotate.constraints.scorecard import heterogeneity, independence
from annotate.quality import gold

FLOOR = 20
"""Of fewer outputs no figure is given: an interval would be some 40 points wide."""
SEEN_FLOOR = 10
"""Alpha also needs so many outputs on which anybody saw a violation; the others all agree that there is none."""
DECISIVE_FROM = 0.8
ALPHA_FROM = 0.667
CHECK_FROM = 0.9
PHI_BELOW = 0.5
SAME_FROM = 0.8
BOOTSTRAP = 1000
SEED = 20_200

GOOD, BAD, UNCLEAR, TOO_FEW = "good", "bad", "unclear", "too_few"

Patterns = Mapping[tuple[int, int], int]
"""How many outputs had (yes, votes)."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A value with its 95 % interval, of `count` observations; all three None where those are too few.

    An alpha is also None where it is undefined, and of too few seen `count` is how many were seen.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int = 0

    def stands(self, *, at_least: float) -> str:
        """Say whether the whole interval is on the good side of the bound, on the bad side, or neither."""
        if self.low is None or self.high is None:
            return TOO_FEW
        if self.low >= at_least:
            return GOOD
        return BAD if self.high < at_least else UNCLEAR


@dataclass(frozen=True, kw_only=True)
class Mode:
    """Tagging or verify, blind or assisted. `outputs` had two votes or more, `seen` of them with a yes."""

    outputs: int = 0
    seen: int = 0
    decisive: Figure = Figure()
    decisive_all: Figure = Figure()
    cannot_tell: Figure = Figure()
    alpha: Figure = Figure()


@dataclass(frozen=True, kw_only=True)
class Check:
    """What is known of the constraint's executable check, each (successes, trials) against people's consensus."""

    precision: tuple[int, int]
    recall: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Context:
    """`rate`: the share of its outputs that violate. `unanimous`: of those seen by anybody, how many by all."""

    label: str
    rate: Figure
    unanimous: Figure


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One way to divide the outputs, with a test of each share between its parts; None where there is too little."""

    name: str
    contexts: list[Context]
    rate: heterogeneity.Test | None = None
    unanimous: heterogeneity.Test | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that is measured of one constraint. `check_precision` and `check_recall` are None without a check.

    The two assisted modes are of people who were shown what a check found before they answered. They agree with the
    check, and so with one another, by suggestion: no verdict and no other figure rests on them.
    """

    rate: Figure
    tagging: Mode
    verify: Mode
    tagging_assisted: Mode = Mode()
    verify_assisted: Mode = Mode()
    check_precision: Figure | None = None
    check_recall: Figure | None = None
    partners: list[independence.Partner] = field(default_factory=list)
    dimensions: list[Dimension] = field(default_factory=list)
    retest: Figure = Figure()

    def verdicts(self) -> dict[str, str]:
        """Say of each property whether it is good, bad, unclear or too few to tell."""
        return {
            "discrete": _either([each.decisive.stands(at_least=DECISIVE_FROM) for each in (self.tagging, self.verify)]),
            "independent": self._independent(),
            "verifiable": self._verifiable(),
            "stable": self._stable(),
        }

    def _independent(self) -> str:
        if any(each.implies or each.is_implied or each.phi_low >= PHI_BELOW for each in self.partners):
            return BAD
        if any(each.phi_high >= PHI_BELOW for each in self.partners):
            return UNCLEAR
        return GOOD if (self.rate.value or 0.0) * self.rate.count >= independence.SUPPORT - 0.5 else TOO_FEW

    def _verifiable(self) -> str:
        found = [each.alpha.stands(at_least=ALPHA_FROM) for each in (self.tagging, self.verify)]
        if self.check_precision is not None:
            found.append(self.check_precision.stands(at_least=CHECK_FROM))
        return _either(found)

    def _stable(self) -> str:
        tests = [test for each in self.dimensions for test in (each.rate, each.unanimous) if test is not None]
        found = [BAD if test.adjusted <= independence.CLEAR else GOOD for test in tests]
        return _either([*found, self.retest.stands(at_least=SAME_FROM)])


def share(found: float, of: int, *, floor: int = FLOOR) -> Figure:
    """Return a mean over `of` observations that add up to `found`, with Wilson's interval; nothing below the floor.

    >>> share(15, 20)
    Figure(value=0.75, low=0.531..., high=0.888..., count=20)
    """
    ends = gold.wilson(found, of)
    if ends is None or of < floor:
        return Figure(count=of)
    return Figure(value=found / of, low=ends[0], high=ends[1], count=of)


def mode(patterns: Patterns, *, cannot: int = 0, judgments: int = 0, concerned: int = 0) -> Mode:
    """Measure one mode. `cannot` of `judgments` could not tell, on `concerned` outputs, which are the trials."""
    several = [(yes, votes, count) for (yes, votes), count in sorted(patterns.items()) if votes >= 2 and count]
    seen = sum(count for yes, _, count in several if yes)
    outputs = sum(count for *_, count in several)
    return Mode(
        outputs=outputs,
        seen=seen,
        decisive=share(sum(_decisive(*each) for each in several if each[0]), seen),
        decisive_all=share(sum(_decisive(*each) for each in several), outputs),
        cannot_tell=share(concerned * cannot / judgments if judgments else 0.0, concerned),
        alpha=alpha(several, seen=seen),
    )


def unanimous(patterns: Patterns) -> tuple[int, int]:
    """Return of how many outputs with two votes or more, seen by anybody, all saw it: (all of them, those seen)."""
    seen = {key: count for key, count in patterns.items() if key[0] and key[1] >= 2}
    return sum(count for (yes, votes), count in seen.items() if yes == votes), sum(seen.values())


def alpha(several: Sequence[tuple[int, int, int]], *, seen: int) -> Figure:
    """Return Krippendorff's alpha of (yes, votes, how many outputs) with two votes or more, and its interval.

    Nothing below the floors, and nothing where everybody said yes: alpha is undefined there.
    """
    table = np.array(several, dtype=np.float64).reshape(-1, 3)
    outputs = int(table[:, 2].sum())
    yes, votes, counts = table.T
    value = float(_alpha(yes, votes, counts)) if outputs else np.nan
    if outputs < FLOOR or seen < SEEN_FLOOR or np.isnan(value):
        return Figure(count=seen if seen < SEEN_FLOOR else outputs)
    drawn = np.random.default_rng(SEED).multinomial(outputs, counts / outputs, size=BOOTSTRAP)
    alphas = _alpha(yes, votes, drawn)
    low, high = np.percentile(alphas[~np.isnan(alphas)], [2.5, 97.5])
    one_more = _alpha(np.append(yes, 1), np.append(votes, 2), np.append(counts, 1))
    return Figure(value=value, low=float(min(low, one_more, value)), high=float(max(high, value)), count=outputs)


def _alpha(yes: Any, votes: Any, counts: Any) -> Any:
    """Return alpha for counts [..., patterns] of outputs; nan where it is undefined."""
    disagreement = (counts * (2 * yes * (votes - yes) / (votes - 1))).sum(axis=-1)
    labels, said_yes = (counts * votes).sum(axis=-1), (counts * yes).sum(axis=-1)
    expected = 2.0 * said_yes * (labels - said_yes)
    ratio = np.divide((labels - 1) * disagreement, expected, out=np.full_like(expected, np.nan), where=expected > 0)
    return 1 - ratio


def _decisive(yes: int, votes: int, count: int) -> float:
    return count * abs(2 * yes / votes - 1)


def _either(found: Sequence[str]) -> str:
    """A bad one decides, then an unclear one; without any that says something, it is too few."""
    return next((each for each in (BAD, UNCLEAR, GOOD) if each in found), TOO_FEW)
