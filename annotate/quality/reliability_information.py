"""How much a rater's labels say about the rater, when nobody knows the truth. Pure.

If the truth were known, a rater's sensitivity would be a plain share, with the labels on truly positive units as its
trials. It is not, so they say less: the observed information is the complete one less what the missing truth takes
away (Louis, "Finding the Observed Information Matrix when Using the EM Algorithm", JRSS B 44, 1982):

    I = I_complete - Var(score of the complete data | labels)

in the logits of all parameters together. I_complete is diagonal here. With I scaled so that what stands for it is 1, 1
over a diagonal entry of the inverse is the share of a parameter's information that is left while all others are
estimated, too: 1 where the truth is plain, 0 where nothing can be said. A rater with n labels and the share r is known
as well as one with r n labels on units of known truth.

Worked by hand: one unit, one rater, who says 1; sensitivity s and specificity are 1/2 and the class is an even chance.
P(1 | label) = 1/2, and the score of s, z (1 - s), is 1/2 or 0: its variance is 1/16. I_complete is P(1) s (1 - s) =
1/8. Half is left, before the others are estimated.

Both functions are for two classes and at most RATERS_AT_MOST raters: the matrix is dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg, sparse

from annotate.quality import dawid_skene, mace
from annotate.quality.reliability_labels import Floats, Labels

RATERS_AT_MOST = 500
LEAST = 1e-9


def left_by_dawid_skene(*, labels: Labels, fit: dawid_skene.Fit) -> Floats:
    """Return what is left of the information on each rater's sensitivity and specificity: (raters, 2).

    Unit t's score differs between truth 1 and truth 0 by (said - sens), by (spec - 1 + said), and by 1 for the prior's
    logit. `fit` had some smoothing, which counts like labels on units of known truth.
    """
    sens, spec = fit.errors[:, 1, 1], fit.errors[:, 0, 0]
    change = _per_cell(np.column_stack([-sens, 1 - sens]), np.column_stack([spec - 1, spec]))
    by_unit = sparse.hstack([labels.table() @ change, np.ones((labels.units, 1))], format="csr")
    truly = fit.counts.sum(axis=1)
    complete = np.concatenate(
        [truly[:, 1] * sens * (1 - sens), truly[:, 0] * spec * (1 - spec), [labels.units * np.prod(fit.priors)]]
    )
    left = _left(complete, _spread(by_unit, fit.posteriors))
    return left[:-1].reshape(2, -1).T


def left_by_mace(*, labels: Labels, fit: mace.Fit) -> Floats:
    """Return what is left of the information on each rater's competence: (raters,). `fit` is by variational Bayes.

    What is missing is the truth and, for each label, whether its rater knew. With k = P(knew | the label is right),
    the score of a label moves by (1, -(said - guess)) if the rater knew, `guess` being the share of 1 among guesses.
    """
    knew = mace.knowing_given_right(fit.parameters)
    guessed = fit.guessed + mace.STRATEGY_PRIOR
    guess = guessed[:, 1] / guessed.sum(axis=1)
    away = np.column_stack([guess, guess - 1])
    sign = np.array([-1.0, 1.0])
    by_unit = labels.table() @ _per_cell(sign * knew, sign * knew * away)
    labelled = fit.known + fit.guessed.sum(axis=1) + 2 * mace.KNOWING_PRIOR
    complete = np.concatenate(
        [labelled * fit.competence * (1 - fit.competence), guessed.sum(axis=1) * guess * (1 - guess)]
    )
    right = np.einsum("wkk->wk", (labels.table().T @ fit.posteriors).reshape(-1, 2, 2))
    within = _within(right * knew * (1 - knew), away)
    return _left(complete, _spread(by_unit, fit.posteriors) + within)[: labels.raters]


def _per_cell(first: Floats, second: Floats) -> Any:
    """Return two parameters' changes, each (raters, labels), as a sparse (raters * labels, 2 * raters)."""
    raters, cells = first.shape[0], np.arange(first.size)
    owner = cells // first.shape[1]
    columns = np.concatenate([owner, owner + raters])
    values = np.concatenate([first.ravel(), second.ravel()])
    return sparse.csr_array((values, (np.tile(cells, 2), columns)), shape=(first.size, 2 * raters))


def _spread(by_unit: Any, posteriors: Floats) -> Floats:
    """Return the variance of the score that not knowing the units' truth leaves."""
    weighted = sparse.diags_array(posteriors[:, 0] * posteriors[:, 1]) @ by_unit
    return np.asarray((by_unit.T @ weighted).toarray())


def _within(spread: Floats, away: Floats) -> Floats:
    """Return the variance that not knowing who knew adds; `spread` (raters, labels) is that of the number who did."""
    raters = spread.shape[0]
    own, other = np.arange(raters), np.arange(raters) + raters
    matrix = np.zeros((2 * raters, 2 * raters))
    matrix[own, own] = spread.sum(axis=1)
    matrix[other, other] = (spread * away**2).sum(axis=1)
    matrix[own, other] = matrix[other, own] = (spread * away).sum(axis=1)
    return matrix


def _left(complete: Floats, missing: Floats) -> Floats:
    """Return 1 / diagonal of (1 - missing, scaled by complete) inverse, between 0 and 1.

    Directions in which nothing is known have an eigenvalue of 0, or just below it before the fit has converged.
    """
    scale = 1 / np.sqrt(np.maximum(complete, LEAST))
    matrix = np.eye(complete.size) - missing * scale[:, None] * scale[None, :]
    try:
        inverse = linalg.cho_solve(linalg.cho_factor(matrix), np.eye(complete.size))
    except linalg.LinAlgError:
        values, vectors = linalg.eigh(matrix)
        inverse = (vectors / np.maximum(values, LEAST)) @ vectors.T
    return np.clip(1 / np.diag(inverse), 0.0, 1.0)
