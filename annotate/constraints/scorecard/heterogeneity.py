"""Does a share differ between contexts by more than chance? Pure: plain counts in, plain values out.

`found_k` of the `outputs_k` outputs of context k are counted; if all contexts had one share, the expected count of
context k would be outputs_k * found / outputs. Pearson's statistic (Pearson 1900)

    Q = sum over contexts of (found_k - expected_k)^2 / expected_k, and the same for what is not found

is compared with chi-square of K - 1 degrees of freedom where Cochran's rule holds (Cochran 1954: every expected count
at least 1, at most a fifth of them below 5). Elsewhere the margins are kept and the counts are dealt out anew: two
contexts exactly (Fisher 1922), several by a seeded sample of deals, whose p-value (r + 1) / (B + 1) is valid for any B
(Davison and Hinkley 1997, 4.11).

The effect is I-squared = max(0, (Q - df) / Q), the share of Q that is more than chance explains (Higgins and Thompson
2002, there of Cochran's Q; here of Pearson's statistic, which plays its part for shares).

Worked by hand: 10 of 40, 20 of 40. Expected 15 each; Q = 25/15 + 25/15 + 25/25 + 25/25 = 16/3, df = 1,
p = 0.0209, I-squared = (16/3 - 1) / (16/3) = 13/16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special, stats

FOUND_AT_LEAST = 5
"""Below so many found in all contexts together, or as few not found, no test is made: it could show nothing."""
DEALS_AT_ONCE, DEALS_AT_MOST, ENOUGH_BEYOND = 2_000, 20_000, 20
SEED = 20_100


@dataclass(frozen=True, kw_only=True)
class Test:
    """`method` is "chi-square", "Fisher" or "dealt". `adjusted` is p among all tests made at once, `p` until then."""

    p: float
    adjusted: float
    statistic: float
    i_squared: float
    contexts: int
    outputs: int
    method: str


def test(counts: Sequence[tuple[int, int]]) -> Test | None:
    """Compare contexts, each (found, outputs). None where there are fewer than two, or too few found to say anything.

    >>> worked = test([(10, 40), (20, 40)])
    >>> round(worked.statistic, 4), round(worked.p, 4), worked.i_squared, worked.method
    (5.3333, 0.0209, 0.8125, 'chi-square')
    """
    table = np.array([(found, outputs - found) for found, outputs in counts if outputs], dtype=np.int64).reshape(-1, 2)
    if len(table) < 2 or table.sum(axis=0).min() < FOUND_AT_LEAST:
        return None
    expected = _expected(table)
    statistic, freedom = float(_statistic(table, expected)), len(table) - 1
    p, method = _p_value(table, expected, statistic)
    return Test(
        p=p,
        adjusted=p,
        statistic=statistic,
        i_squared=max(0.0, (statistic - freedom) / statistic) if statistic > 0 else 0.0,
        contexts=len(table),
        outputs=int(table.sum()),
        method=method,
    )


def _expected(table: Any) -> Any:
    return table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()


def _statistic(tables: Any, expected: Any) -> Any:
    """Return Q of one table, or of each of several with the same margins."""
    return ((tables - expected) ** 2 / expected).sum(axis=(-2, -1))


def _p_value(table: Any, expected: Any, statistic: float) -> tuple[float, str]:
    if expected.min() >= 1 and (expected < 5).mean() <= 0.2:
        return float(special.chdtrc(len(table) - 1, statistic)), "chi-square"
    if len(table) == 2:
        return min(1.0, float(stats.fisher_exact(table)[1])), "Fisher"
    return _dealt(table, expected, statistic), "dealt"


def _dealt(table: Any, expected: Any, statistic: float) -> float:
    """Deal the found ones out over the contexts' outputs again and again; stop early where p is plainly large."""
    pick = np.random.default_rng(SEED)
    outputs, found = table.sum(axis=1), int(table[:, 0].sum())
    beyond = deals = 0
    while deals < DEALS_AT_MOST and beyond < ENOUGH_BEYOND:
        dealt = pick.multivariate_hypergeometric(outputs, found, size=DEALS_AT_ONCE, method="marginals")
        tables = np.stack([dealt, outputs - dealt], axis=-1)
        beyond += int((_statistic(tables, expected) >= statistic * (1 - 1e-9)).sum())
        deals += DEALS_AT_ONCE
    return (beyond + 1) / (deals + 1)
