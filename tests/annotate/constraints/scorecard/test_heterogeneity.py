"""Shares compared between contexts: by hand, against scipy, in small cells, and how often chance is taken for more."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from scipy import stats

from annotate.constraints.scorecard import heterogeneity


def test_what_the_docstrings_say() -> None:
    assert doctest.testmod(heterogeneity).failed == 0


def test_equal_shares_are_no_difference() -> None:
    found = heterogeneity.test([(10, 40), (20, 80), (5, 20)])
    assert found is not None
    assert (found.p, found.i_squared, found.contexts, found.outputs) == (1.0, 0.0, 3, 140)


def test_several_contexts_equal_scipy() -> None:
    counts = [(12, 60), (30, 80), (9, 50), (22, 70)]
    found = heterogeneity.test(counts)
    wanted = stats.chi2_contingency([[k, n - k] for k, n in counts], correction=False)
    assert found is not None and found.method == "chi-square"
    assert (found.statistic, found.p) == pytest.approx((wanted.statistic, wanted.pvalue))


def test_two_contexts_with_small_cells_are_fishers() -> None:
    found = heterogeneity.test([(6, 20), (0, 60)])
    assert found is not None and found.method == "Fisher"
    assert found.p == pytest.approx(stats.fisher_exact([[6, 14], [0, 60]]).pvalue)


def test_several_contexts_with_small_cells_are_dealt_and_near_the_exact_value() -> None:
    """All three on the first of three equal contexts: 3 ways in which all are on one, C(10,3) of C(30,3) deals each."""
    counts = [(5, 30), (0, 30), (0, 30)]
    found = heterogeneity.test(counts)
    assert found is not None and found.method == "dealt"
    exact = 3 * stats.hypergeom(90, 30, 5).pmf(5)
    assert found.p == pytest.approx(exact, rel=0.25)
    assert heterogeneity.test(counts) == found


def test_too_few_found_or_one_context_say_nothing() -> None:
    assert heterogeneity.test([(2, 100), (2, 100)]) is None
    assert heterogeneity.test([(98, 100), (100, 100)]) is None
    assert heterogeneity.test([(20, 100)]) is None
    assert heterogeneity.test([(20, 100), (0, 0)]) is None
    assert heterogeneity.test([]) is None


@pytest.mark.parametrize(("rate", "outputs"), [(0.3, 50), (0.04, 40)])
def test_chance_is_taken_for_more_no_oftener_than_said(rate: float, outputs: int) -> None:
    pick = np.random.default_rng(7)
    tables = [[(int(k), outputs) for k in pick.binomial(outputs, rate, size=4)] for _ in range(400)]
    p_values = [found.p for table in tables if (found := heterogeneity.test(table)) is not None]
    assert len(p_values) > 200
    assert np.mean([p <= 0.05 for p in p_values]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p_values))
