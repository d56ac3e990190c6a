from __future__ import annotations

import numpy as np
import pytest

from annotate.quality import bootstrap


def mean(sums: np.ndarray) -> np.ndarray:
    return bootstrap.ratio(sums[..., 0], sums[..., 1])


def figure(values: np.ndarray, seed: int = 0) -> bootstrap.Figure:
    rows = np.column_stack([values, np.ones(len(values))])
    blocks = bootstrap.block_of(np.arange(len(values)))
    draws = bootstrap.draws(outputs=len(values), seed=seed)
    return draws.figure(mean, blocks=blocks, values=rows, over=over(len(values)))


def over(outputs: int, telling: int | None = None) -> bootstrap.Over:
    return bootstrap.Over(outputs=outputs, labels=outputs, telling=outputs if telling is None else telling)


def test_every_resample_draws_as_many_as_there_are() -> None:
    drawn = bootstrap.draws(outputs=7, resamples=50)
    assert drawn.weights.shape == (7, 50)
    assert (drawn.weights.sum(axis=0) == 7).all()


def test_sums_worked_by_hand() -> None:
    drawn = bootstrap.Draws(np.array([[2.0, 1, 0], [0, 1, 2]]))
    assert drawn.sums(blocks=np.array([0, 1]), values=np.array([[1.0], [3.0]])).tolist() == [[2], [4], [6]]
    assert drawn.sums(blocks=np.array([1, 1]), values=np.array([[1.0], [3.0]])).tolist() == [[0], [4], [8]]


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(3).normal(5, 2, size=400)
    found = figure(values)
    assert found.value == pytest.approx(values.mean())
    reach = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - reach, abs=0.04)
    assert found.high == pytest.approx(values.mean() + reach, abs=0.04)


def test_interval_of_many_outputs_in_blocks_is_as_wide_as_it_should_be() -> None:
    values = np.random.default_rng(4).exponential(1, size=40_000)
    found = figure(values)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 200, rel=0.1)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(5).random(50)
    assert figure(values) == figure(values)
    assert figure(values) != figure(values, seed=1)


def test_no_interval_where_it_would_say_more_than_it_knows() -> None:
    assert figure(np.random.default_rng(6).random(9)).low is None
    assert figure(np.ones(100)).low is None
    few = np.random.default_rng(6).random((100, 2))
    drawn = bootstrap.draws(outputs=100)
    for telling, is_told in ((9, False), (10, True)):
        found = drawn.figure(mean, blocks=np.arange(100), values=few, over=over(100, telling))
        assert (found.low is not None) == is_told
    assert bootstrap.percentiles(np.array([np.nan] * 6 + [1.0, 2.0] * 47)) is None
    assert bootstrap.percentiles(np.array([np.nan] * 5 + [1.0, *([2.0] * 94)])) is not None


def test_resampling_outputs_widens_what_belongs_together() -> None:
    """Ten labels of an output that are all the same are one observation, not ten."""
    values = np.random.default_rng(7).integers(0, 2, size=100).astype(float)
    alone = figure(values)
    ten = bootstrap.draws(outputs=100).figure(
        mean,
        blocks=np.repeat(np.arange(100), 10),
        values=np.column_stack([np.repeat(values, 10), np.ones(1000)]),
        over=over(100),
    )
    assert (ten.low, ten.high) == pytest.approx((alone.low, alone.high))
