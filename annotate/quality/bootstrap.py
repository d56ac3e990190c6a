"""Cluster bootstrap over outputs: how far a figure would move if other outputs had been judged. Pure, seeded.

Every figure here is a function of sums over outputs. A resample draws as many outputs as there are, with replacement,
and adds up their sums again: one product of matrices for a thousand resamples. What was said of one output stays
together, so that the interval does not take its labels for independent ones.

Above BLOCKS outputs, output i joins block i modulo BLOCKS, and whole blocks are drawn. The sums of random groups vary
as the outputs do (Wolter, "Introduction to Variance Estimation", 2007, ch. 2), and the width of the interval itself is
known to about 1/sqrt(2 * BLOCKS) = 1.6 %. BLOCKS is a prime, so that no period of the import falls into one block.

The interval is the percentile one (Efron and Tibshirani 1993, ch. 13), at 95 %. There is none where it would say more
than it knows: where fewer than FEWEST outputs tell (nobody applied the tag in the others, say), where more than one
resample in twenty leaves the figure undefined, and where all resamples agree (nobody ever disagreed: other outputs
cannot show what these never did).

Worked by hand: two outputs with the sums 1 and 3, drawn as (2, 0), (1, 1) and (0, 2) times: 2, 4 and 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Formula = Callable[[Floats], Floats]

BLOCKS = 2003
RESAMPLES = 1000
FEWEST = 10
PERCENTILES = (2.5, 97.5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure with its 95 % interval (none: see above), over `outputs` outputs and `labels` labels."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    outputs: int = 0
    labels: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Over:
    """What a figure is over: outputs and labels, and the outputs without which it would be undefined."""

    outputs: int
    labels: int
    telling: int


@dataclass(frozen=True, slots=True)
class Draws:
    """How often each block is in each resample. `weights`: [blocks, resamples], every column adds up to the blocks."""

    weights: Floats

    @property
    def blocks(self) -> int:
        return len(self.weights)

    def sums(self, *, blocks: Integers, values: Floats) -> Floats:
        """Return the sums of every resample, [resamples, k], of `values` [n, k] that lie in `blocks` [n]."""
        total = by_block(blocks=blocks, values=values, count=self.blocks)
        used = np.unique(blocks)
        if 2 * used.size > self.blocks:
            return (total.T @ self.weights).T
        return (total[used].T @ self.weights[used]).T

    def figure(self, formula: Formula, *, blocks: Integers, values: Floats, over: Over) -> Figure:
        """Return `formula` of the sums of `values` [n, k], which lie in `blocks` [n].

        `formula` takes [..., k] to [...], NaN where it is undefined.
        """
        interval = None
        if over.telling >= FEWEST:
            interval = percentiles(formula(self.sums(blocks=blocks, values=values)))
        low, high = interval or (None, None)
        value = defined(formula(values.sum(axis=0)))
        return Figure(value=value, low=low, high=high, outputs=over.outputs, labels=over.labels)


def block_of(outputs: Integers) -> Integers:
    """Return the block of every output, which are numbered from 0."""
    return np.asarray(outputs % BLOCKS, dtype=np.int64)


def draws(*, outputs: int, resamples: int = RESAMPLES, seed: int = 0) -> Draws:
    """Draw the resamples of a campaign with so many outputs. The same seed draws the same."""
    blocks = max(1, min(outputs, BLOCKS))
    drawn = np.random.default_rng(seed).integers(0, blocks, size=(resamples, blocks))
    cells = drawn * resamples + np.arange(resamples)[:, None]
    return Draws(np.bincount(cells.ravel(), minlength=resamples * blocks).reshape(blocks, resamples).astype(float))


def by_block(*, blocks: Integers, values: Floats, count: int) -> Floats:
    """Return [count, k]: the rows of `values` [n, k] added up by their blocks."""
    columns = [added(column, places=blocks, count=count) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def added(values: Floats, *, places: Integers, count: int) -> Floats:
    """Return [count]: `values` [n] added up by their places, 0 to `count` - 1."""
    return np.asarray(np.bincount(places, weights=values, minlength=count), dtype=np.float64)


def percentiles(resampled: Floats) -> tuple[float, float] | None:
    """Return the 95 % interval of the resampled figures; None where they do not tell one."""
    known = resampled[np.isfinite(resampled)]
    if not known.size or known.size < 0.95 * resampled.size or np.ptp(known) == 0:
        return None
    low, high = np.percentile(known, PERCENTILES)
    return float(low), float(high)


def defined(value: Floats) -> float | None:
    """Return the number; None where it is none."""
    return float(value) if np.isfinite(value) else None


def ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where below is zero (or less, by rounding)."""
    is_sound = below > 0
    return np.where(is_sound, above / np.where(is_sound, below, 1.0), np.nan)
