"""Code-point F1 of pairs of annotators: of what either marked, how much both did. Pure.

For two annotators, F1 = 2 |A and B| / (|A| + |B|): the harmonic mean of the shares of each one's marked code points
that the other marked, too (either may be called the truth: Hripcsak and Rothschild 2005). Over a campaign the code
points of all its outputs are added up before dividing (micro average): an output with more marks weighs more, one
without any says nothing. With m annotators of an output, its m (m - 1) / 2 pairs are added up and divided by m - 1, so
that what an annotator marked weighs the same however many others were there; with p the number of annotators who
marked a code point,

    F1 = sum_outputs [ sum p (p - 1) / (m - 1) ]  /  sum_outputs [ sum p ]

Unlike alpha, it has no correction for chance: two who mark nearly everything agree nearly everywhere.

Worked by hand: [2, 6) and [4, 8): p = 2 on two code points, 1 on four. F1 = 2 * 2 * 1 / (4 + 4) = 1/2.
"""

from __future__ import annotations

import numpy as np

from annotate.quality import bootstrap
from annotate.quality.bootstrap import Floats, Integers
from annotate.quality.unitised import Coverage


def terms(*, found: Coverage, annotators: Integers) -> Floats:
    """Return [texts, 2]: sum p (p - 1) / (m - 1), and sum p, for texts with m `annotators` (two or more), [texts]."""
    return np.column_stack([(found.shared - found.marked) / (annotators - 1), found.marked])


def f1(sums: Floats) -> Floats:
    """Return F1 of added terms [..., 2]; NaN where nobody marked anything."""
    return bootstrap.ratio(sums[..., 0], sums[..., 1])
