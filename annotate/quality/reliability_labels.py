"""Labels as three arrays of codes, and as the sparse table that both consensus models work on. Pure.

The table has a row for every unit and a column for every (rater, label) pair; a cell counts how often that rater gave
that unit that label. Two products with it are all that an EM step needs, whatever the model:

    table @ log_likelihoods      sums over a unit's labels     (units, classes)
    table.T @ posteriors         sums over a rater's labels    (raters * classes, classes)

Worked example: rater 0 calls units 0 and 1 "0" and "1", rater 1 calls unit 1 "0". The rows of the table are
[1, 0, 0, 0] and [0, 1, 1, 0].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Labels:
    """Who (`rater`) said what (`label`) of which `unit`: arrays of one length, not empty.

    Units and raters are numbered from 0 without gaps, labels are below `classes`. Raises ValueError for arrays of
    different lengths and for none at all.
    """

    unit: Codes
    rater: Codes
    label: Codes
    classes: int = 2

    def __post_init__(self) -> None:
        if not self.unit.size or not self.unit.size == self.rater.size == self.label.size:
            raise ValueError("Labels are three arrays of one length, and at least one label.")

    @property
    def count(self) -> int:
        return int(self.unit.size)

    @property
    def units(self) -> int:
        return int(self.unit.max()) + 1

    @property
    def raters(self) -> int:
        return int(self.rater.max()) + 1

    def table(self) -> Any:
        """Return the sparse table (units, raters * classes) in rows; a label that was given twice counts twice."""
        cell = self.rater * self.classes + self.label
        ones = np.ones(self.count)
        return sparse.csr_array((ones, (self.unit, cell)), shape=(self.units, self.raters * self.classes))

    def of_unit(self) -> Codes:
        """Return how many labels each unit has."""
        return np.bincount(self.unit, minlength=self.units)

    def shares(self) -> Floats:
        """Return the share of each class among a unit's labels: (units, classes)."""
        cell = self.unit * self.classes + self.label
        counts = np.bincount(cell, minlength=self.units * self.classes).reshape(self.units, self.classes)
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def posteriors(log_joint: Floats) -> tuple[Floats, float]:
    """Return what exp(log_joint) is, each row summing to 1, and the sum of the rows' logarithms before that.

    `log_joint` is (units, classes): log P(class, the unit's labels). Its largest entry is taken out first, so that a
    unit with hundreds of labels does not underflow.

    >>> shares, total = posteriors(np.log([[0.1, 0.3]]))
    >>> shares.round(3).tolist(), round(float(np.exp(total)), 3)
    ([[0.25, 0.75]], 0.4)
    """
    highest = log_joint.max(axis=1, keepdims=True)
    scaled = np.exp(log_joint - highest)
    total = scaled.sum(axis=1, keepdims=True)
    return scaled / total, float(np.sum(highest) + np.sum(np.log(total)))
