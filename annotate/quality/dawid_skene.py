"""The truth and each rater's confusion matrix, estimated together from labels alone. Pure.

Dawid and Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", Applied Statistics 28
(1979). Unit t is truly of class c with probability p_c; rater w then says k with probability e_w[k, c], whatever
the others say:

    E    P(c | labels of t)  ~  p_c  prod_{(w, k) of t} e_w[k, c]
    M    p_c = mean_t P(c | t)        e_w[k, c]  ~  smoothing + sum_{t that w called k} P(c | t)

It begins with the shares of a unit's labels. Without smoothing it is what crowd-kit 1.4 computes, including the floor
of 1e-10 under the counts of the labels that a rater has used: labels never used have probability 0, not the floor.

Without smoothing the log-likelihood rises with every step; with it, what rises is that plus a log prior. Where it ends
may be a local optimum. Classes may end up exchanged where most raters are wrong; two raters alone leave the model
undetermined.

Worked by hand: units labelled (1, 1, 0), (1, 1, 1), (0, 0, 0) by three raters. The shares of class 1 are 2/3, 1, 0.
p_1 = 5/9. The third rater says 1 of truth 1 with e[1, 1] = 1 / (5/3) = 3/5, and 1 of truth 0 with 0, so that the
second unit is of class 1 for certain; the first two say 1 of truth 1 always and of truth 0 with (1/3)/(4/3) = 1/4.
For the first unit, class 1 has 5/9 * 1 * 1 * 2/5 = 2/9 and class 0 has 4/9 * 1/4 * 1/4 * 1 = 1/36: P(1) = 8/9.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotate.quality import reliability_labels
from annotate.quality.reliability_labels import Floats, Labels

FLOOR = 1e-10


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fit:
    """What was estimated.

    `posteriors` (units, classes): P(class | labels). `priors` (classes). `counts` (raters, said, true): how often a
    rater said k where the truth was c, in expectation, with the smoothing. `errors`: the same as probabilities of k.
    `log_likelihoods`: of the parameters that each step began with. `has_converged`: no step was left to take.
    """

    posteriors: Floats
    priors: Floats
    counts: Floats
    errors: Floats
    log_likelihoods: tuple[float, ...]
    has_converged: bool


def fit(*, labels: Labels, iterations: int = 100, tolerance: float = 1e-7, smoothing: float = 0.0) -> Fit:
    """Return the estimates after at most `iterations` steps, or the first whose log-likelihood per label moved by less
    than `tolerance` (0: all steps are taken). `smoothing` is added to every count of every confusion matrix.
    """
    table, posteriors = labels.table(), labels.shares()
    seen = (table.sum(axis=0) > 0).reshape(labels.raters, labels.classes, 1)
    history: list[float] = []
    has_converged = False
    while len(history) < iterations and not has_converged:
        counts = _counts(table, posteriors, seen, smoothing)
        log_joint = table @ _log(_errors(counts)).reshape(-1, labels.classes) + _log_priors(posteriors)
        posteriors, reached = reliability_labels.posteriors(log_joint)
        has_converged = bool(history) and abs(reached - history[-1]) < tolerance * labels.count
        history.append(reached)
    counts = _counts(table, posteriors, seen, smoothing)
    return Fit(
        posteriors=posteriors,
        priors=posteriors.mean(axis=0),
        counts=counts,
        errors=_errors(counts),
        log_likelihoods=tuple(history),
        has_converged=has_converged,
    )


def _counts(table: Any, posteriors: Floats, seen: Any, smoothing: float) -> Floats:
    classes = posteriors.shape[1]
    expected = (table.T @ posteriors).reshape(-1, classes, classes)
    return expected + smoothing if smoothing else np.where(seen, np.maximum(expected, FLOOR), 0.0)


def _errors(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _log(errors: Floats) -> Floats:
    """Return the logarithms; 0 where the probability is 0, which no label of the table ever asks for."""
    return np.log(errors, out=np.zeros_like(errors), where=errors > 0)


def _log_priors(posteriors: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(posteriors.mean(axis=0), FLOOR)))
