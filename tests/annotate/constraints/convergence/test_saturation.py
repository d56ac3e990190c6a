"""Estimates of what is unseen, against figures worked out by hand, against brute force and against a known truth."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest

from annotate.constraints.convergence import curve as saturation_curve
from annotate.constraints.convergence import saturation
from annotate.constraints.convergence.saturation import Incidence, Rule

TEN = Incidence(units=10, frequencies={1: 4, 2: 2, 5: 2})


def test_worked_numbers_of_the_docstrings() -> None:
    assert doctest.testmod(saturation) == (0, 7)


def test_tally_counts_constraints_by_how_often_they_were_seen() -> None:
    found = saturation.tally([2, 0, 1, 1, 7], units=9)
    assert (found.observed, found.total, found.once, found.twice) == (4, 11, 2, 1)


def test_chao2_of_nothing_and_of_a_complete_sample() -> None:
    assert saturation.chao2(Incidence(units=0)) == saturation.Estimate(value=0, low=0, high=0)
    complete = saturation.chao2(Incidence(units=100, frequencies={30: 10}))
    assert (complete.value, complete.low) == (10, 10)
    assert complete.high == pytest.approx(10)


def test_chao2_without_a_constraint_seen_twice() -> None:
    """9/10 * 4 * 3 / 2 = 5.4 more than the four seen once and the two seen five times."""
    found = saturation.chao2(Incidence(units=10, frequencies={1: 4, 5: 2}))
    assert found.value == pytest.approx(11.4)
    assert found.low == 6 and found.high > found.value


def test_chao2_of_one_output_knows_nothing() -> None:
    found = saturation.chao2(Incidence(units=1, frequencies={1: 3}))
    assert (found.value, found.low) == (3, 3)


def test_coverage_before_the_first_violation_is_unknown() -> None:
    assert saturation.coverage(Incidence(units=12)) is None


def test_coverage_where_nothing_was_seen_once() -> None:
    """The Poisson bound of zero at 97.5 % is 3.689."""
    found = saturation.coverage(Incidence(units=50, frequencies={10: 5}))
    assert found is not None
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(1 - 3.6889 / 50, abs=1e-4)


def test_expected_new_in_as_many_reviews_again_is_smoothed() -> None:
    """t = 1, U = 18: floor(log2(18 * 1.05^2 / 0.05) / 2) = 4 trials at 1/2, so h_1 = 15/16, h_2 = -11/16, h_5 = 0."""
    found = saturation.expected_new(TEN, reviews=10)
    assert found is not None and not found.is_beyond
    assert found.estimate.value == pytest.approx(4 * 15 / 16 - 2 * 11 / 16)
    variance = 4 * (15 / 16) ** 2 + 2 * (11 / 16) ** 2 + found.estimate.value
    assert found.estimate.high == pytest.approx(found.estimate.value + 1.96 * math.sqrt(variance), abs=1e-2)


def test_expected_new_for_few_reviews_is_good_and_toulmins_sum() -> None:
    many = Incidence(units=1000, frequencies={1: 40, 2: 25, 3: 20, 10: 30})
    found = saturation.expected_new(many, reviews=100)
    assert found is not None
    assert found.estimate.value == pytest.approx(0.1 * 40 - 0.01 * 25 + 0.001 * 20, abs=1e-3)


def test_expected_new_does_not_jump_where_reviews_ahead_pass_those_done() -> None:
    many = Incidence(units=1000, frequencies={1: 40, 2: 25, 3: 20, 10: 30})
    values = [found.estimate.value for k in range(980, 1080, 10) if (found := saturation.expected_new(many, reviews=k))]
    assert max(abs(one - other) for one, other in itertools.pairwise(values)) < 0.5


def test_expected_new_is_steadier_than_the_bare_sum_near_as_many_again() -> None:
    """300 campaigns of 300 outputs, 100 constraints by Zipf's law: a smaller error, and 0 by chance less often."""
    chance = np.random.default_rng(3)
    rates = np.minimum(0.5, 3 / np.arange(1, 101) / (1 / np.arange(1, 101)).sum())
    ours, bare, truths = [], [], []
    for now, after in zip(*(chance.binomial(300, rates, size=(300, 100)) for _ in range(2)), strict=True):
        incidence = saturation.tally(now.tolist(), units=300)
        new = saturation.expected_new(incidence, reviews=300)
        assert new is not None
        ours.append(new.estimate.value)
        bare.append(max(0.0, -sum((-1) ** j * count for j, count in incidence.frequencies.items())))
        truths.append(((after > 0) & (now == 0)).sum())
    errors = [np.sqrt(np.mean((np.array(each) - truths) ** 2)) for each in (ours, bare)]
    assert errors[0] < 0.75 * errors[1]
    assert sum(each == 0 for each in ours) < sum(each == 0 for each in bare)


def test_expected_new_is_smoothed_beyond_what_was_reviewed_and_ends() -> None:
    """t = 2, U = 18: floor(log2(72) / 2) = 3 trials at 1/3, so h_1 = 2 * 19/27, h_2 = -4 * 7/27 and h_5 = 0."""
    found = saturation.expected_new(TEN, reviews=20)
    assert found is not None and found.is_beyond
    assert found.estimate.value == pytest.approx(4 * 2 * 19 / 27 - 2 * 4 * 7 / 27)
    assert saturation.farthest(TEN) == int(10 * math.log(18))
    assert saturation.expected_new(TEN, reviews=29) is None
    assert saturation.expected_new(Incidence(units=0), reviews=1) is None


def test_expected_new_does_not_overflow_where_a_constraint_is_everywhere() -> None:
    often = Incidence(units=100_000, frequencies={1: 5, 90_000: 3})
    found = saturation.expected_new(often, reviews=900_000)
    assert found is not None and math.isfinite(found.estimate.high)


def test_stop_is_met_by_both_figures_and_never_early() -> None:
    rule = Rule(coverage=0.95, expected_new=1, reviews=100)
    done = Incidence(units=200, frequencies={1: 1, 10: 30})
    assert saturation.stop(done, rule=rule).is_met
    assert not saturation.stop(done, rule=Rule(coverage=0.95, expected_new=0.4, reviews=100)).is_met
    assert not saturation.stop(Incidence(units=200, frequencies={1: 4, 10: 3}), rule=rule).is_met
    early = saturation.stop(Incidence(units=99, frequencies={10: 30}), rule=rule)
    assert early.is_early and not early.is_met
    assert not saturation.stop(Incidence(units=200), rule=rule).is_met


def test_curve_equals_the_mean_over_every_choice_of_outputs() -> None:
    outputs = [{1, 2}, {1}, {3}, set(), {1, 4, 5}, {4}]
    counts = [sum(each in output for output in outputs) for each in range(1, 6)]
    found = {each.units: each.mean for each in saturation_curve.curve(saturation.tally(counts, units=6))}
    for size in range(1, 7):
        choices = list(itertools.combinations(outputs, size))
        assert found[size] == pytest.approx(sum(len(set().union(*each)) for each in choices) / len(choices))


def test_curve_goes_beyond_towards_chao2_and_is_the_same_every_time() -> None:
    many = Incidence(units=1000, frequencies={1: 40, 2: 25, 3: 20, 10: 30, 700: 1})
    curve = saturation_curve.curve(many)
    assert curve == saturation_curve.curve(many)
    assert [each.units for each in curve] == sorted({each.units for each in curve})
    at_n = next(each for each in curve if each.units == 1000)
    assert at_n.mean == pytest.approx(many.observed)
    assert many.observed < curve[-1].mean < saturation.chao2(many).value
    assert all(each.low <= each.mean <= each.high for each in curve)
    assert saturation_curve.curve(Incidence(units=5)) == []


def test_curve_draws_the_same_band_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    many = Incidence(units=300, frequencies={1: 40, 2: 25, 10: 30})
    at_once = saturation_curve.curve(many)
    monkeypatch.setattr(saturation_curve, "CELLS", 1000)
    assert [each.high for each in saturation_curve.curve(many)] == pytest.approx([each.high for each in at_once])


def test_assemblage_keeps_what_was_seen_per_output() -> None:
    rates = saturation_curve.assemblage(TEN)
    assert len(rates) == 8 + 2
    assert rates.sum() == pytest.approx(1.8, abs=0.02)


@pytest.mark.parametrize("exponent", [0, 1])
def test_intervals_hold_a_known_truth(exponent: int) -> None:
    """300 campaigns of 400 outputs with 200 constraints, each in an output by itself; evenly, and by Zipf's law."""
    chance = np.random.default_rng(5)
    raw = 1 / np.arange(1, 201) ** exponent
    rates = np.minimum(0.5, 2 * raw / raw.sum())
    held = np.zeros(3)
    for now, after in zip(*(chance.binomial(n, rates, size=(300, 200)) for n in (400, 200)), strict=True):
        incidence = saturation.tally(now.tolist(), units=400)
        chao, share = saturation.chao2(incidence), saturation.coverage(incidence)
        new = saturation.expected_new(incidence, reviews=200)
        assert share is not None and new is not None
        truth = rates[now > 0].sum() / rates.sum()
        really = ((after > 0) & (now == 0)).sum()
        held += [
            chao.low <= 200 <= chao.high,
            share.low <= truth <= share.high + 1e-9,
            new.estimate.low <= really <= new.estimate.high,
        ]
    chao_held, share_held, new_held = held / 300
    assert 0.9 <= share_held <= 0.985
    assert 0.9 <= new_held <= 0.985
    assert (0.9 <= chao_held <= 0.985) if exponent == 0 else chao_held < 0.99
