"""The truth and each rater's competence: how often they know, rather than guess in a way of their own. Pure.

Hovy, Berg-Kirkpatrick, Vaswani and Hovy, "Learning Whom to Trust with MACE", NAACL 2013. The classes are equally likely
beforehand. For each label, rater w knows with probability c_w and then gives the true class; else the label is k
with probability x_w[k], whatever the truth:

    f_w[k, l] = (1 - c_w) x_w[k] + c_w [k = l]
    E   P(l | labels of t)  ~  prod_{(w, k) of t} f_w[k, l]
        known     n_w[k] = sum_{units t that w called k} P(k | t) c_w / f_w[k, k]
        guessed   g_w[k] = (labels k of w) - n_w[k]
    M   em        c_w  ~  sum n_w + s,  1 - c_w  ~  sum g_w + s,  x_w[k]  ~  g_w[k] + s,  with s = 0.01 / classes
        vb        the same with e^psi(a) / e^psi(sum of a) for each share a / sum of a (psi: the digamma function),
                  and 1/2 for s in the first two and 10 in the last: Beta(1/2, 1/2) and Dirichlet(10) priors

This is what crowd-kit 1.4 computes from one start. Its restarts all begin at the same place, as each is seeded anew
with the same number, and it confuses raters that do not first appear in sorted order; ours do neither.

Worked by hand: one rater, one label 1 of two classes, c = 1/2, x = (1/2, 1/2). f[1, 1] = 1/4 + 1/2 = 3/4 and
f[1, 0] = 1/4: P(1) = 3/4. Known: 3/4 * (1/2) / (3/4) = 1/2. Guessed: 1/2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import special

from annotate.quality import reliability_labels
from annotate.quality.reliability_labels import Floats, Labels

KNOWING_PRIOR = 0.5
STRATEGY_PRIOR = 10.0
SMOOTHING = 0.01
NOISE = 1.5

Method = Literal["vb", "em"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parameters:
    """`knowing` (raters, 2): probabilities of guessing and of knowing. `strategies` (raters, classes): of each guess.

    Under variational Bayes these are weights, which add up to a little less than 1.
    """

    knowing: Floats
    strategies: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fit:
    """What was estimated from the best start.

    `posteriors` (units, classes): P(class | labels). `known` (raters): labels that were known, in expectation.
    `guessed` (raters, classes): those that were guessed. `competence` (raters): the share that was known, with the
    prior (vb) or smoothing (em). `log_likelihood`: of `parameters`; `start`: which of the starts it was.
    """

    posteriors: Floats
    parameters: Parameters
    known: Floats
    guessed: Floats
    competence: Floats
    log_likelihood: float
    start: int
    has_converged: bool


def random_starts(*, labels: Labels, count: int = 10, seed: int = 0) -> list[Parameters]:
    """Return `count` places to begin at, all different: each weight uniform in [1, 2.5], as crowd-kit draws them."""
    random = np.random.default_rng(seed)
    return [
        Parameters(knowing=_drawn(random, labels.raters, 2), strategies=_drawn(random, labels.raters, labels.classes))
        for _ in range(count)
    ]


def fit(
    *,
    labels: Labels,
    starts: Sequence[Parameters],
    method: Method = "vb",
    iterations: int = 50,
    tolerance: float = 1e-7,
) -> Fit:
    """Return the fit with the highest log-likelihood over `starts`, of which there is at least one.

    Each takes at most `iterations` steps, or stops after the first by which the log-likelihood per label moved by less
    than `tolerance` (0: all steps are taken).
    """
    table = labels.table()
    said = table.sum(axis=0).reshape(labels.raters, labels.classes)
    best: Fit | None = None
    for number, start in enumerate(starts):
        found = _from(table, said, start, number, (method, iterations, tolerance * labels.count))
        if best is None or found.log_likelihood > best.log_likelihood:
            best = found
    if best is None:
        raise ValueError("MACE needs a place to start.")
    return best


def knowing_given_right(parameters: Parameters) -> Floats:
    """Return P(knew | said k, and k is true): (raters, classes)."""
    knows = parameters.knowing[:, 1:]
    return np.asarray(knows / (parameters.knowing[:, :1] * parameters.strategies + knows))


def _from(table: Any, said: Floats, parameters: Parameters, number: int, rule: tuple[Method, int, float]) -> Fit:
    method, iterations, least = rule
    has_converged, before = False, -np.inf
    posteriors, reached = _e_step(table, parameters)
    for _ in range(iterations):
        known, guessed = _expected(table, said, posteriors, parameters)
        parameters = _M_STEPS[method](known, guessed)
        before, (posteriors, reached) = reached, _e_step(table, parameters)
        has_converged = abs(reached - before) < least
        if has_converged:
            break
    known, guessed = _expected(table, said, posteriors, parameters)
    return Fit(
        posteriors=posteriors,
        parameters=parameters,
        known=known,
        guessed=guessed,
        competence=_competence(known, guessed, method),
        log_likelihood=reached,
        start=number,
        has_converged=has_converged,
    )


def _e_step(table: Any, parameters: Parameters) -> tuple[Floats, float]:
    guesses = parameters.knowing[:, :1] * parameters.strategies
    classes = guesses.shape[1]
    given = guesses[:, :, None] + parameters.knowing[:, 1, None, None] * np.eye(classes)
    return reliability_labels.posteriors(table @ np.log(given).reshape(-1, classes) - np.log(classes))


def _expected(table: Any, said: Floats, posteriors: Floats, parameters: Parameters) -> tuple[Floats, Floats]:
    """Return the labels that were known (raters) and guessed (raters, classes), in expectation."""
    classes = said.shape[1]
    right = np.einsum("wkk->wk", (table.T @ posteriors).reshape(-1, classes, classes))
    known = knowing_given_right(parameters) * right
    return known.sum(axis=1), said - known


def _em(known: Floats, guessed: Floats) -> Parameters:
    smoothing = SMOOTHING / guessed.shape[1]
    knowing, strategies = np.column_stack([guessed.sum(axis=1), known]) + smoothing, guessed + smoothing
    return Parameters(
        knowing=knowing / knowing.sum(axis=1, keepdims=True),
        strategies=strategies / strategies.sum(axis=1, keepdims=True),
    )


def _vb(known: Floats, guessed: Floats) -> Parameters:
    knowing = np.column_stack([guessed.sum(axis=1), known]) + KNOWING_PRIOR
    return Parameters(knowing=_mean_log(knowing), strategies=_mean_log(guessed + STRATEGY_PRIOR))


def _mean_log(counts: Floats) -> Floats:
    """Return exp(E[log share]) of Dirichlet(counts), row by row."""
    return np.asarray(np.exp(special.digamma(counts) - special.digamma(counts.sum(axis=1, keepdims=True))))


_M_STEPS = {"vb": _vb, "em": _em}


def _competence(known: Floats, guessed: Floats, method: Method) -> Floats:
    prior = KNOWING_PRIOR if method == "vb" else SMOOTHING / guessed.shape[1]
    return np.asarray((known + prior) / (known + guessed.sum(axis=1) + 2 * prior))


def _drawn(random: np.random.Generator, raters: int, weights: int) -> Floats:
    drawn = 1 + NOISE * random.random((raters, weights))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))
