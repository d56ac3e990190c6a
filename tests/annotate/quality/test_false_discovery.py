"""P-values of many tests, against the definition."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.quality import false_discovery


def test_the_numbers_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(false_discovery)
    assert (tried.attempted, tried.failed) == (1, 0)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_adjust_follows_the_step_up_definition(p_values: list[float]) -> None:
    adjusted = false_discovery.adjust(p_values)
    ranked = sorted(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        wanted = min((value * len(ranked) / rank for rank, value in enumerate(ranked, 1) if value >= p), default=1.0)
        assert found == pytest.approx(min(1.0, wanted))
        assert found >= p - 1e-12


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 20))
def test_tests_that_are_not_given_count_as_one(p_values: list[float], more: int) -> None:
    found = false_discovery.adjust(p_values, tests=len(p_values) + more)
    whole = false_discovery.adjust([*p_values, *[1.0] * more])[: len(p_values)]
    assert found == pytest.approx(whole)
