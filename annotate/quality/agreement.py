"""Krippendorff's alpha for nominal labels, any number of units and raters, labels missing where they are missing. Pure.

One unit at a time, in little memory; `agreement_labels.py` does a campaign's by columns, and by resamples.

    alpha = 1 - D_o / D_e

With n_uc raters giving unit u the label c, m_u = sum_c n_uc (only units with m_u >= 2 count), n_c = sum_u n_uc and
n = sum_c n_c (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011, nominal metric):

    D_o = 1/n           sum_u 1/(m_u - 1)  sum_{c != k} n_uc n_uk
    D_e = 1/(n (n - 1))                    sum_{c != k} n_c n_k

Worked by hand: three units labelled (a, a), (a, b), (b, b). n = 6, n_a = n_b = 3. Only the second unit disagrees:
1/(2 - 1) * (1*1 + 1*1) = 2, so D_o = 2/6. D_e = (3*3 + 3*3)/(6*5) = 18/30. alpha = 1 - (1/3)/(3/5) = 4/9 = 0.444...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class Nominal:
    """Alpha, one unit at a time: memory grows with the number of different labels, never with the units."""

    units: int = 0
    _disagreement: float = 0.0
    _totals: Counter[Hashable] = field(default_factory=Counter)

    def add(self, labels: Iterable[Hashable]) -> None:
        """Count one unit by the labels its raters gave. A unit with fewer than two says nothing and is left out."""
        self.add_counts(Counter(labels))

    def add_counts(self, counts: Counter[Hashable]) -> None:
        """Count one unit by how often each label was given."""
        size = counts.total()
        if size < 2:
            return
        self.units += 1
        self._totals.update(counts)
        self._disagreement += _unequal_pairs(counts) / (size - 1)

    @property
    def labels(self) -> int:
        return self._totals.total()

    @property
    def alpha(self) -> float | None:
        """Return alpha: 1 for perfect agreement, 0 for chance, below 0 for worse than chance.

        None where it is undefined: no unit has two labels, or all labels are the same.
        """
        expected = _unequal_pairs(self._totals)
        if expected == 0:
            return None
        return 1 - (self.labels - 1) * self._disagreement / expected


def alpha(units: Iterable[Iterable[Hashable]]) -> float | None:
    """Return Krippendorff's alpha of `units`, each the labels its raters gave; None where it is undefined."""
    table = Nominal()
    for labels in units:
        table.add(labels)
    return table.alpha


def _unequal_pairs(counts: Counter[Hashable]) -> int:
    """Return sum over c != k of n_c n_k."""
    total: int = counts.total()
    return total * total - sum(count * count for count in counts.values())
