"""What p-values are worth when many were looked at (Benjamini and Hochberg 1995). Pure.

Sorted p_(1) <= ... <= p_(m): the i-th becomes the least m p_(j) / j over j >= i. Of those at or under q, a share of at
most q is expected to be chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def adjust(p_values: ArrayLike, *, tests: int = 0) -> Any:
    """Return the p-values adjusted for testing all of them at once, in the given order, as an array.

    `tests`, where that is more, is how many there were; those that are not given count as p = 1.

    For 0.01, 0.04, 0.03, 0.20 the candidates, sorted, are 0.04, 0.06, 0.0533.., 0.20; from the right, the least so far:

    >>> adjust([0.01, 0.04, 0.03, 0.20]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.2]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    ranked = p[order] * max(tests, len(p)) / np.arange(1, len(p) + 1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return adjusted
