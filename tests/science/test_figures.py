"""The science bench's statistics, against definitions and numbers worked out by hand."""

import doctest
import itertools
import math
import random

import pytest

from tests.bench.science import figures


def test_the_numbers_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(figures)
    assert tried.attempted >= 2
    assert tried.failed == 0


@pytest.mark.parametrize("right", range(7))
@pytest.mark.parametrize("k", range(1, 7))
def test_pass_at_is_the_share_of_subsets_with_a_right_one(k: int, right: int) -> None:
    subsets = list(itertools.combinations([place < right for place in range(6)], k))
    assert figures.pass_at(k, drawn=6, right=right) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_has_no_bias() -> None:
    """The mean over many rounds of 8 draws at chance 0.3 is 1 - 0.7 ** 4; plugging the share in is not."""
    chance = random.Random(1)
    drawn = [sum(chance.random() < 0.3 for _ in range(8)) for _ in range(20_000)]
    assert figures.mean_pass_at(4, drawn=8, right=drawn) == pytest.approx(1 - 0.7**4, abs=0.005)
    assert sum(1 - (1 - each / 8) ** 4 for each in drawn) / len(drawn) < 1 - 0.7**4 - 0.03


@pytest.mark.parametrize(("k", "drawn", "right"), [(0, 4, 1), (5, 4, 1), (1, 4, 5), (1, 4, -1)])
def test_pass_at_refuses_what_cannot_be(k: int, drawn: int, right: int) -> None:
    with pytest.raises(ValueError, match=f"pass@{k}"):
        figures.pass_at(k, drawn=drawn, right=right)


def test_over_seeds_by_hand() -> None:
    """Five values of variance 2.5: half a width of 2.776 sqrt(2.5 / 5), t of 4 degrees of freedom from a table."""
    found = figures.over_seeds([1, 2, 3, 4, 5])
    assert found.mean == 3
    assert found.high - found.mean == pytest.approx(2.776 * math.sqrt(0.5), abs=1e-3)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_over_seeds_holds_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(2)
    held = 0
    for _ in range(2000):
        found = figures.over_seeds([chance.gauss(1, 3) for _ in range(5)])
        held += found.low < 1 < found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_over_seeds_says_nothing_of_a_single_one() -> None:
    found = figures.over_seeds([0.5])
    assert math.isnan(found.low)
    assert found.says() == "0.50"


def test_over_prompts_widens_with_what_seeds_and_prompts_do() -> None:
    same = [[0.0, 1.0] * 50] * 5
    apart = [[float(place < 20 * seed) for place in range(100)] for seed in range(5)]
    prompts, seeds = figures.over_prompts(same), figures.over_prompts(apart)
    assert prompts.mean == 0.5
    # 500 draws of a coin have a standard error of 0.5 / sqrt(500); 5 seeds of variance 0.08 one of sqrt(0.08 / 5).
    assert prompts.high - prompts.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(500), rel=0.1)
    assert seeds.high - seeds.low == pytest.approx(2 * 1.96 * math.sqrt(0.08 / 5), rel=0.15)
    assert figures.over_prompts(same, seed=3) == figures.over_prompts(same, seed=3)


def test_intervals_are_said_with_their_signs() -> None:
    found = figures.Interval(mean=0.1, low=-0.02, high=0.22)
    assert found.says(is_change=True) == "+0.10 (-0.02 to +0.22)"
    assert found.says() == "0.10 (-0.02-0.22)"
