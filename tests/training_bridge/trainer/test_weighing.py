"""What rows and tokens count."""

from __future__ import annotations

import doctest

import pytest

from training_bridge.trainer import errors, weighing


def test_docstring_numbers() -> None:
    assert doctest.testmod(weighing) == (0, 1)


def test_constraints_have_the_same_say_each() -> None:
    rows = [{"constraints": [1]}] * 8 + [{"constraints": [2]}] * 2
    weights = weighing.of_rows(rows, how="constraints")
    assert sum(weights[:8]) == pytest.approx(sum(weights[8:]))
    assert sum(weights) == pytest.approx(len(rows))


def test_a_constraint_named_twice_counts_once() -> None:
    assert weighing.of_rows([{"constraints": [1, 1]}, {"constraints": [1]}], how="constraints") == [1.0, 1.0]


def test_column_is_one_where_a_row_has_none() -> None:
    assert weighing.of_rows([{"weight": 3}, {}, {"weight": 0}], how="column") == [3.0, 1.0, 0.0]


@pytest.mark.parametrize("weight", [-1, "2", None, True, float("nan"), float("inf")])
def test_column_refuses_what_is_no_weight(weight: object) -> None:
    with pytest.raises(errors.Refused, match="row 2: weight"):
        weighing.of_rows([{}, {"weight": weight}], how="column")


def test_none_counts_every_row_once() -> None:
    assert weighing.of_rows([{"weight": 3}, {"constraints": [1]}], how="none") == [1.0, 1.0]
