"""MACE: the docstring's example, restarts that differ, and competence that is found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from annotate.quality import mace
from annotate.quality.reliability_labels import Labels
from tests.annotate.quality.test_dawid_skene import drawn, labels_of

HALF = mace.Parameters(knowing=np.array([[0.5, 0.5]]), strategies=np.array([[0.5, 0.5]]))


def guessing(*, units: int, competence: tuple[float, ...], yes: float, seed: int = 0) -> Labels:
    """Raters who know the truth as often as `competence` says and otherwise say yes as often as `yes`."""
    random = np.random.default_rng(seed)
    truth = random.integers(2, size=units)
    unit, rater = np.divmod(np.arange(units * len(competence)), len(competence))
    knows = random.random(unit.size) < np.array(competence)[rater]
    label = np.where(knows, truth[unit], random.random(unit.size) < yes)
    return Labels(unit=unit, rater=rater, label=label.astype(np.int64))


def test_fit_is_the_example_worked_by_hand() -> None:
    found = mace.fit(labels=labels_of("1"), starts=[HALF], iterations=0)
    assert found.posteriors[0, 1] == pytest.approx(3 / 4)
    assert found.known == pytest.approx([1 / 2])
    assert found.guessed[0] == pytest.approx([0, 1 / 2])
    assert found.log_likelihood == pytest.approx(np.log(1 / 2 * (3 / 4 + 1 / 4)))


def test_fit_em_takes_the_step_of_the_docstring() -> None:
    found = mace.fit(labels=labels_of("1"), starts=[HALF], method="em", iterations=1)
    assert found.parameters.knowing[0, 1] == pytest.approx(0.505 / 1.01)
    assert found.parameters.strategies[0] == pytest.approx([0.005 / 0.51, 0.505 / 0.51])


def test_fit_vb_takes_the_step_of_the_docstring() -> None:
    found = mace.fit(labels=labels_of("1"), starts=[HALF], iterations=1)
    psi = special.digamma
    assert found.parameters.knowing[0, 1] == pytest.approx(np.exp(psi(1.0) - psi(2.0)))
    assert found.parameters.strategies[0, 0] == pytest.approx(np.exp(psi(10.0) - psi(20.5)))


@pytest.mark.parametrize("method", ["vb", "em"])
def test_fit_finds_competence_and_bias(method: mace.Method) -> None:
    labels = guessing(units=4000, competence=(0.9, 0.7, 0.5, 0.1), yes=0.3)
    starts = mace.random_starts(labels=labels, count=4)
    found = mace.fit(labels=labels, starts=starts, method=method, iterations=500)
    assert found.competence == pytest.approx([0.9, 0.7, 0.5, 0.1], abs=0.05)
    assert found.parameters.strategies[3, 1] == pytest.approx(0.3, abs=0.05)
    assert found.has_converged


def test_fit_em_never_lowers_the_likelihood() -> None:
    labels, _ = drawn(units=80, right=(0.9, 0.7, 0.6), classes=3)
    [start] = mace.random_starts(labels=labels, count=1)
    reached = [
        mace.fit(labels=labels, starts=[start], method="em", iterations=steps, tolerance=0).log_likelihood
        for steps in range(30)
    ]
    assert np.diff(reached).min() > -0.01  # its smoothing is a prior, too, of next to nothing


def test_fit_keeps_the_best_of_its_starts() -> None:
    labels, _ = drawn(units=20, right=(0.8, 0.6, 0.5))
    starts = mace.random_starts(labels=labels, count=6, seed=3)
    alone = [mace.fit(labels=labels, starts=[each], iterations=3).log_likelihood for each in starts]
    found = mace.fit(labels=labels, starts=starts, iterations=3)
    assert len(set(alone)) == 6
    assert found.log_likelihood == max(alone)
    assert alone[found.start] == max(alone)


def test_random_starts_are_seeded() -> None:
    labels = labels_of("10", "01")
    one, same, other = (mace.random_starts(labels=labels, count=2, seed=seed) for seed in (1, 1, 2))
    assert (one[0].knowing == same[0].knowing).all()
    assert not (one[0].knowing == other[0].knowing).any()
    assert not (one[0].knowing == one[1].knowing).any()


def test_fit_needs_a_start() -> None:
    with pytest.raises(ValueError, match="place to start"):
        mace.fit(labels=labels_of("1"), starts=[])
