"""How far each annotator can be relied on, from yes/no labels whose truth nobody knows. Pure.

Only units with two labels or more say anything about it; the others are left out. Two models are fitted to them:

* Dawid-Skene gives sensitivity, P(says yes | yes is true), and specificity, P(says no | no is true). Every count of a
  confusion matrix has SMOOTHING added, so that few labels pull towards 1/2 and none is ever certain.
* MACE (variational Bayes, seeded restarts) gives competence, the share of labels that the annotator knew rather than
  guessed. It takes yes and no to be equally likely beforehand, so for rare tags its figures are the rougher ones.

The interval of each is Wilson's at 95 %, with as many trials as labels of known truth would say as much (see
reliability_information); None with more annotators than that can be worked out for.

What cannot be said is said so, in one of REFUSALS: `none` (no labels), `one` (nobody's units are shared), `two` (two
annotators share units: nobody can tell which of them is wrong), `few` (fewer than SHARED_AT_LEAST shared units),
`same` (every shared label is the same). An annotator without a shared unit has no figures; `partners` tells who shares
with one other annotator only. Yes and no may come out exchanged, as nothing but the labels says which is which; they
are turned back where the annotators, each by their labels, would be worse than chance together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from annotate.quality import dawid_skene, mace, reliability_information
from annotate.quality.reliability_labels import Codes, Floats, Labels

Z = 1.959964  # the 97.5 % point of the normal distribution
SMOOTHING = 0.1
STEPS_AT_MOST = 500
TOLERANCE = 1e-6
RESTARTS = 4
SHARED_AT_LEAST = 10
REFUSALS = ("none", "one", "two", "few", "same")


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """A figure between 0 and 1, and the interval it lies in at 95 %, where that could be worked out."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotator:
    """`rater` is the code in the labels given. `labels` counts theirs, `shared` those on units with others,
    `partners` those others. The figures are None without shared labels.
    """

    rater: int
    labels: int
    shared: int
    partners: int
    sensitivity: Share | None = None
    specificity: Share | None = None
    competence: Share | None = None

    @property
    def is_worse_than_chance(self) -> bool:
        """Says yes no more often where yes is true than where it is not."""
        both = self.sensitivity, self.specificity
        return both[0] is not None and both[1] is not None and both[0].value + both[1].value <= 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Reliability:
    """`annotators` by rater. `units`: codes of the shared ones, in order, and for each the probability that yes is true
    by the plain share of labels (`votes`), by `dawid_skene` and by `mace`. Empty where there is a `refusal`.

    `prevalence`: the share of units of which yes is true, by Dawid-Skene. `was_turned`: yes and no came out exchanged.
    """

    refusal: str
    annotators: list[Annotator]
    units: Codes = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    votes: Floats = field(default_factory=lambda: np.empty(0))
    dawid_skene: Floats = field(default_factory=lambda: np.empty(0))
    mace: Floats = field(default_factory=lambda: np.empty(0))
    prevalence: float | None = None
    was_turned: bool = False
    has_converged: bool = True


def estimate(*, labels: Labels | None, seed: int = 0) -> Reliability:
    """Return what the labels (0 no, 1 yes) say of their annotators; None for no labels at all."""
    if labels is None:
        return Reliability(refusal="none", annotators=[])
    kept = labels.of_unit()[labels.unit] > 1
    counted = _counted(labels, kept)
    units, unit = np.unique(labels.unit[kept], return_inverse=True)
    raters, rater = np.unique(labels.rater[kept], return_inverse=True)
    if refusal := _refusal(len(units), len(raters), labels.label[kept]):
        return Reliability(refusal=refusal, annotators=counted)
    shared = Labels(unit=unit.astype(np.int64), rater=rater.astype(np.int64), label=labels.label[kept])
    return _estimated(shared, units, dict(enumerate(raters.tolist())), counted, seed)


def differing(*, found: Reliability, at_most: int) -> Codes:
    """Return the places in `found.units` where Dawid-Skene says otherwise than most labels, or settles a tie.

    The surest first; of equally sure ones those of smaller codes.
    """
    says_yes = found.dawid_skene > 0.5
    places = np.flatnonzero((found.votes == 0.5) | (says_yes != (found.votes > 0.5)))
    surest = np.argsort(-np.abs(found.dawid_skene[places] - 0.5), kind="stable")
    return places[surest[:at_most]]


def turned(fit: dawid_skene.Fit) -> dawid_skene.Fit:
    """Return the same fit with the two classes exchanged: as likely, as nothing but the labels says which is which."""
    return dawid_skene.Fit(
        posteriors=fit.posteriors[:, ::-1],
        priors=fit.priors[::-1],
        counts=fit.counts[:, :, ::-1],
        errors=fit.errors[:, :, ::-1],
        log_likelihoods=fit.log_likelihoods,
        has_converged=fit.has_converged,
    )


def intervals(*, shares: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Return Wilson's score interval at 95 % of each share in so many trials, of which there may be none.

    >>> [end.round(3).tolist() for end in intervals(shares=np.array([0.8, 0.8]), trials=np.array([10.0, 0.0]))]
    [[0.49, 0.0], [0.943, 1.0]]
    """
    weight = trials / (trials + Z * Z)
    middle = weight * shares + (1 - weight) / 2
    reach = np.sqrt(weight * shares * (1 - shares) * (1 - weight) + ((1 - weight) / 2) ** 2)
    return np.maximum(0.0, middle - reach), np.minimum(1.0, middle + reach)


def _refusal(units: int, raters: int, label: Codes) -> str:
    if raters < 3:
        return ("one", "one", "two")[raters]
    if units < SHARED_AT_LEAST:
        return "few"
    return "same" if label.min() == label.max() else ""


def _counted(labels: Labels, kept: Any) -> list[Annotator]:
    every = np.bincount(labels.rater, minlength=labels.raters)
    shared = np.bincount(labels.rater[kept], minlength=labels.raters)
    met = sparse.csr_array((np.ones(labels.count), (labels.unit, labels.rater)))
    partners = np.diff((met.T @ met).tocsr().indptr) - 1
    together = zip(every.tolist(), shared.tolist(), partners.tolist(), strict=True)
    return [Annotator(rater=rater, labels=n, shared=s, partners=p) for rater, (n, s, p) in enumerate(together)]


def _estimated(
    labels: Labels, units: Codes, raters: dict[int, int], counted: list[Annotator], seed: int
) -> Reliability:
    fit = dawid_skene.fit(labels=labels, iterations=STEPS_AT_MOST, tolerance=TOLERANCE, smoothing=SMOOTHING)
    was_turned = _is_exchanged(fit)
    fit = turned(fit) if was_turned else fit
    starts = mace.random_starts(labels=labels, count=RESTARTS, seed=seed)
    knowing = mace.fit(labels=labels, starts=starts, iterations=STEPS_AT_MOST, tolerance=TOLERANCE)
    figures = _figures(labels, fit, knowing)
    found = list(counted)
    for code, rater in raters.items():
        one = counted[rater]
        sensitivity, specificity, competence = (column[code] for column in figures)
        found[rater] = Annotator(
            rater=rater,
            labels=one.labels,
            shared=one.shared,
            partners=one.partners,
            sensitivity=sensitivity,
            specificity=specificity,
            competence=competence,
        )
    return Reliability(
        refusal="",
        annotators=found,
        units=units,
        votes=labels.shares()[:, 1],
        dawid_skene=fit.posteriors[:, 1],
        mace=knowing.posteriors[:, 1],
        prevalence=float(fit.priors[1]),
        was_turned=was_turned,
        has_converged=fit.has_converged and knowing.has_converged,
    )


def _is_exchanged(fit: dawid_skene.Fit) -> bool:
    """Whether the annotators, weighted by their labels, say yes more often where the fit has no."""
    weight = fit.counts.sum(axis=(1, 2))
    return bool(np.sum(weight * (fit.errors[:, 1, 1] + fit.errors[:, 0, 0] - 1)) < 0)


def _figures(labels: Labels, fit: dawid_skene.Fit, knowing: mace.Fit) -> list[list[Share]]:
    truly = fit.counts.sum(axis=1)
    said = knowing.known + knowing.guessed.sum(axis=1)
    shares = [fit.errors[:, 1, 1], fit.errors[:, 0, 0], knowing.competence]
    if labels.raters > reliability_information.RATERS_AT_MOST:
        return [[Share(value=value, low=None, high=None) for value in share.tolist()] for share in shares]
    left = reliability_information.left_by_dawid_skene(labels=labels, fit=fit)
    known = reliability_information.left_by_mace(labels=labels, fit=knowing)
    trials = [left[:, 0] * truly[:, 1], left[:, 1] * truly[:, 0], known * said]
    return [_with_intervals(share, count) for share, count in zip(shares, trials, strict=True)]


def _with_intervals(shares: Floats, trials: Floats) -> list[Share]:
    ends = intervals(shares=shares, trials=trials)
    rows = zip(shares.tolist(), *(end.tolist() for end in ends), strict=True)
    return [Share(value=value, low=low, high=high) for value, low, high in rows]
