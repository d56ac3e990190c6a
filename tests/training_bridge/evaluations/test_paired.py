"""The arithmetic of comparisons, against numbers worked out by hand and against definitions."""

import doctest
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_bridge.evaluations import paired


def test_the_numbers_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(paired)
    assert tried.attempted >= 4
    assert tried.failed == 0


@pytest.mark.parametrize(
    ("fixed", "new", "p"),
    [(1, 0, 1.0), (2, 0, 0.5), (6, 0, 0.03125), (10, 2, 2 * (1 + 12 + 66) / 4096), (0, 0, 1.0), (20, 20, 1.0)],
)
def test_mcnemar_by_hand(fixed: int, new: int, p: float) -> None:
    assert paired.mcnemar(fixed=fixed, new=new) == pytest.approx(p, abs=1e-15)
    assert paired.mcnemar(fixed=new, new=fixed) == paired.mcnemar(fixed=fixed, new=new)


def test_mcnemar_stands_large_counts() -> None:
    assert paired.mcnemar(fixed=3000, new=3000) == 1.0
    assert 0 < paired.mcnemar(fixed=3200, new=2800) < 1e-6


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_sum_over_outcomes_as_unlikely(fixed: int, new: int) -> None:
    trials = fixed + new
    chances = [Fraction(math.comb(trials, heads), 2**trials) for heads in range(trials + 1)]
    wanted = sum(chance for chance in chances if chance <= chances[new])
    assert paired.mcnemar(fixed=fixed, new=new) == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize(
    ("fixed", "persistent", "new", "verdict"),
    [
        (3, 0, 0, "fixed"),
        (3, 2, 1, "improved"),
        (1, 2, 1, "persistent"),
        (1, 2, 3, "regressed"),
        (0, 0, 3, "new"),
        (0, 0, 0, "absent"),
    ],
)
def test_the_change_is_named_by_its_counts(fixed: int, persistent: int, new: int, verdict: str) -> None:
    counts = paired.Counts(pairs=20, fixed=fixed, persistent=persistent, new=new)
    assert counts.verdict == verdict
    assert (counts.before, counts.after) == (fixed + persistent, new + persistent)
