"""Krippendorff's alpha over columns of labels, nominal and ordinal: millions of labels at once. Pure.

The labels are three columns of one length: the unit, who labelled it, and the label as a number from 0, or less than 0
where it is missing. Any number of raters, any units by any of them. The figures are those of the source that
`agreement.py` names, which goes one unit at a time; here units add up by columns, so that resamples of units do, too.

Ordinal (Krippendorff 2011, section on metric differences): with the labels in their order, n_g how often label g was
given in all, and the coincidences o_ck = sum_u n_uc (n_uk - [c = k]) / (m_u - 1), the difference of two labels is what
lies between them, the ends by half:

    delta2_ck = (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2
    alpha = 1 - (n - 1) sum_ck o_ck delta2_ck / sum_ck n_c n_k delta2_ck

Worked by hand: two units labelled (minor, minor) and (minor, critical), major never given. n_0 = 3, n_1 = 0, n_2 = 1,
so delta2_02 = (4 - 4/2)^2 = 4; o_02 = o_20 = 1. alpha = 1 - 3 * (2 * 4) / (2 * 3 * 1 * 4) = 0. Had the second unit
been (minor, major) or labels without order, the figure would be the same: with two labels in use, order adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from annotate.quality import bootstrap
from annotate.quality.bootstrap import Floats, Integers


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each label was given to each unit that two or more labelled.

    `units`: their codes, ascending, [n]; `table`: [n, categories].
    """

    units: Integers
    table: Integers

    @property
    def labels(self) -> int:
        return int(self.table.sum())


def counts(*, units: ArrayLike, raters: ArrayLike, labels: ArrayLike, categories: int) -> Counts:
    """Count the labels of every unit that has two or more of them.

    The three columns are whole numbers of one length; a label below 0 is missing. Takes memory for units times
    categories. Raises ValueError where a rater labelled a unit twice, or where a label is not below `categories`.
    """
    unit, rater, label = (np.asarray(column, dtype=np.int64) for column in (units, raters, labels))
    is_given = label >= 0
    unit, rater, label = unit[is_given], rater[is_given], label[is_given]
    if label.size and label.max() >= categories:
        raise ValueError(f"Label {label.max()} is not one of {categories} categories.")
    _check_once(unit, rater)
    codes, place = np.unique(unit, return_inverse=True)
    table = np.bincount(place * categories + label, minlength=codes.size * categories).reshape(-1, categories)
    is_shared = table.sum(axis=1) >= 2
    return Counts(codes[is_shared], table[is_shared])


def nominal_terms(found: Counts) -> Floats:
    """Return [n, 1 + categories]: the unit's disagreement sum_{c != k} n_uc n_uk / (m_u - 1), then its n_uc."""
    size = found.table.sum(axis=1)
    unequal = size * size - (found.table * found.table).sum(axis=1)
    return np.column_stack([unequal / (size - 1), found.table])


def nominal_alpha(sums: Floats) -> Floats:
    """Return alpha of added terms [..., 1 + categories]; NaN where all labels are the same."""
    disagreement, given = sums[..., 0], sums[..., 1:]
    total = given.sum(axis=-1)
    expected = total * total - (given * given).sum(axis=-1)
    return 1 - bootstrap.ratio((total - 1) * disagreement, expected)


def ordinal_terms(found: Counts) -> Floats:
    """Return [n, categories * categories]: the unit's coincidences n_uc (n_uk - [c = k]) / (m_u - 1)."""
    table = found.table.astype(float)
    pairs = table[:, :, None] * table[:, None, :]
    same = np.arange(table.shape[1])
    pairs[:, same, same] -= table
    pairs /= (table.sum(axis=1) - 1)[:, None, None]
    return np.asarray(pairs.reshape(len(table), table.shape[1] ** 2), dtype=np.float64)


def ordinal_alpha(sums: Floats) -> Floats:
    """Return alpha of added coincidences [..., categories * categories]; NaN where all labels are the same."""
    categories = round(sums.shape[-1] ** 0.5)
    coincidences = sums.reshape(*sums.shape[:-1], categories, categories)
    given = coincidences.sum(axis=-1)
    middle = given.cumsum(axis=-1) - given / 2
    apart = np.square(middle[..., :, None] - middle[..., None, :])
    observed = (coincidences * apart).sum(axis=(-2, -1))
    expected = (given[..., :, None] * given[..., None, :] * apart).sum(axis=(-2, -1))
    return 1 - bootstrap.ratio((given.sum(axis=-1) - 1) * observed, expected)


def nominal(*, units: ArrayLike, raters: ArrayLike, labels: ArrayLike, categories: int) -> float | None:
    """Return nominal alpha of the columns that `counts` describes; None where it is undefined."""
    found = counts(units=units, raters=raters, labels=labels, categories=categories)
    return bootstrap.defined(nominal_alpha(nominal_terms(found).sum(axis=0)))


def ordinal(*, units: ArrayLike, raters: ArrayLike, labels: ArrayLike, categories: int) -> float | None:
    """Return ordinal alpha of the columns that `counts` describes, labels in their order; None where undefined."""
    found = counts(units=units, raters=raters, labels=labels, categories=categories)
    return bootstrap.defined(ordinal_alpha(ordinal_terms(found).sum(axis=0)))


def _check_once(unit: Integers, rater: Integers) -> None:
    order = np.lexsort((rater, unit))
    unit, rater = unit[order], rater[order]
    is_again = (unit[1:] == unit[:-1]) & (rater[1:] == rater[:-1])
    if is_again.any():
        place = int(is_again.argmax())
        raise ValueError(f"Rater {rater[place]} labelled unit {unit[place]} twice.")
