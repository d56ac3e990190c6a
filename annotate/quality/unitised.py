"""Krippendorff's alpha for marks in a text: do annotators mark the same places, beyond what chance would give? Pure.

Of the family of u-alphas (Krippendorff, Mathet, Bouvry and Widlöcher, "On the reliability of unitizing textual
continua: Further developments", Quality & Quantity 50, 2016) this is the binary one, written |u-alpha (equation 6
there; equation 35 in Krippendorff, "Content Analysis", 4th ed. 2019, section 12.6.4): marked or not, code point by
code point, where an unmarked stretch has no inner structure and a mark counts as one piece. The other members ask for
marks that never overlap, which the marks of two tags may; so tags are told apart by asking for each tag by itself.

With m annotators of a text of L code points, L_g the lengths of all their marks, M = sum L_g, T = m L and p the number
of annotators who marked a code point:

    D     = sum over code points of p (m - p) / (m - 1)                      the coincidences of marked and unmarked
    E     = T M (T - M) / (T^2 - sum L_g^2 - (T - M))                        those that chance would give (equation 4)
    alpha = 1 - D / E

The texts of a campaign are laid end to end: D, M, sum L_g^2 and T add up over them, each with its own annotators. No
mark crosses from one text to the next, and an unmarked code point counts as 1 wherever it stands, so the source's
formula holds as it is. A mark is a piece: of one annotator, overlapping marks become one and touching ones stay two.

Worked by hand: two annotators of 10 code points mark [2, 6) and [4, 8). p = 1 on four code points: D = 4. M = 8, T =
20, sum L_g^2 = 32. E = 20 * 8 * 12 / (400 - 32 - 12) = 1920/356, alpha = 1 - 4 * 356/1920 = 0.258.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotate.quality import bootstrap
from annotate.quality.bootstrap import Floats, Integers


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the marks of each text cover, [texts] each.

    `marked`: code points, once per annotator who marked them; `shared`: the sum over code points of p^2;
    `squares`: the sum of the squared lengths of the marks.
    """

    marked: Floats
    shared: Floats
    squares: Floats


def coverage(*, texts: Integers, annotators: Integers, starts: Integers, ends: Integers, count: int) -> Coverage:
    """Return what marks cover, given as four columns: the text from 0 to `count` - 1, who marked, and [start, end).

    An empty mark covers nothing. Takes memory for a few columns of the marks, whatever the texts' lengths.
    """
    is_mark = starts < ends
    text, annotator, start, end = (column[is_mark] for column in (texts, annotators, starts, ends))
    text, start, end = _without_overlaps(text, annotator, start, end)
    length = (end - start).astype(float)
    return Coverage(
        marked=bootstrap.added(length, places=text, count=count),
        shared=_squared_depth(text, start, end, count),
        squares=bootstrap.added(length * length, places=text, count=count),
    )


def terms(*, found: Coverage, annotators: Integers, lengths: Integers) -> Floats:
    """Return [texts, 4]: D, M, sum L_g^2 and T, for texts with `annotators` (two or more) and `lengths`, [texts]."""
    apart = annotators * found.marked - found.shared
    return np.column_stack([apart / (annotators - 1), found.marked, found.squares, annotators * lengths])


def alpha(sums: Floats) -> Floats:
    """Return |u-alpha of added terms [..., 4]; NaN where nobody marked anything, or everybody everything."""
    apart, marked, squares, total = (sums[..., place] for place in range(4))
    unmarked = total - marked
    return 1 - bootstrap.ratio(apart * (total * total - squares - unmarked), total * marked * unmarked)


def _without_overlaps(
    text: Integers, annotator: Integers, start: Integers, end: Integers
) -> tuple[Integers, Integers, Integers]:
    """Join the overlapping marks of each annotator in each text; return text, start and end."""
    order = np.lexsort((start, annotator, text))
    text, annotator, start, end = (column[order] for column in (text, annotator, start, end))
    if not text.size:
        return text, start, end
    is_other = np.ones(text.size, dtype=bool)
    is_other[1:] = (text[1:] != text[:-1]) | (annotator[1:] != annotator[:-1])
    ahead = is_other.cumsum() * (end.max() + 1)  # so that one running maximum serves every annotator of every text
    reached = np.maximum.accumulate(ahead + end)
    is_new = np.ones(text.size, dtype=bool)
    is_new[1:] = (ahead + start)[1:] >= reached[:-1]
    first = np.flatnonzero(is_new)
    return text[first], start[first], np.maximum.reduceat(end, first)


def _squared_depth(text: Integers, start: Integers, end: Integers, count: int) -> Floats:
    """Return [count]: over the code points of each text, the sum of the squared number of marks on them."""
    if not text.size:
        return np.zeros(count)
    width = end.max() + 1
    places = np.concatenate([text * width + start, text * width + end])
    steps = np.concatenate([np.ones(text.size), -np.ones(text.size)])
    order = places.argsort(kind="stable")
    places, depth = places[order], steps[order].cumsum()
    return bootstrap.added(depth[:-1] ** 2 * np.diff(places), places=places[:-1] // width, count=count)
