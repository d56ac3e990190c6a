"""Dawid-Skene: the docstring's example, the likelihood, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest

from annotate.quality import dawid_skene
from annotate.quality.reliability_labels import Codes, Labels, posteriors


def labels_of(*units: str) -> Labels:
    """A string of a unit's labels, by rater; "-" where the rater gave none."""
    rows = [(u, w, int(said)) for u, each in enumerate(units) for w, said in enumerate(each) if said != "-"]
    unit, rater, label = np.array(rows, dtype=np.int64).T
    return Labels(unit=unit, rater=rater, label=label, classes=max(2, int(label.max()) + 1))


def drawn(*, units: int, right: tuple[float, ...], seed: int = 0, classes: int = 2) -> tuple[Labels, Codes]:
    """Every rater labels every unit, and is right as often as `right` says. With the truth of each unit."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=units)
    unit, rater = np.divmod(np.arange(units * len(right)), len(right))
    wrong = (truth[unit] + random.integers(1, classes, size=unit.size)) % classes
    label = np.where(random.random(unit.size) < np.array(right)[rater], truth[unit], wrong)
    return Labels(unit=unit, rater=rater, label=label, classes=classes), truth


def test_fit_is_the_example_worked_by_hand() -> None:
    found = dawid_skene.fit(labels=labels_of("110", "111", "000"), iterations=1)
    assert found.posteriors[:, 1] == pytest.approx([8 / 9, 1, 0], abs=1e-8)
    assert found.priors[1] == pytest.approx((8 / 9 + 1) / 3)
    assert found.errors[2, 1, 1] == pytest.approx(1 / (1 + 8 / 9))
    assert found.errors[0, 1, 0] == pytest.approx((1 / 9) / (1 / 9 + 1))
    assert not found.has_converged


@pytest.mark.parametrize("seed", range(5))
def test_fit_never_lowers_the_likelihood(seed: int) -> None:
    labels, _ = drawn(units=60, right=(0.9, 0.7, 0.6, 0.5), seed=seed, classes=3)
    found = dawid_skene.fit(labels=labels, iterations=60, tolerance=0)
    assert len(found.log_likelihoods) == 60
    assert np.diff(found.log_likelihoods).min() > -1e-9
    assert found.posteriors.sum(axis=1) == pytest.approx(1)
    assert found.errors.sum(axis=1) == pytest.approx(1)


def test_fit_finds_who_is_right_where_the_majority_is_wrong() -> None:
    labels, truth = drawn(units=4000, right=(0.95, 0.95, 0.6, 0.6, 0.6))
    found = dawid_skene.fit(labels=labels)
    assert found.has_converged
    right = np.einsum("wkk->wk", found.errors).mean(axis=1)
    assert right == pytest.approx([0.95, 0.95, 0.6, 0.6, 0.6], abs=0.03)
    by_model = np.mean(found.posteriors.argmax(axis=1) == truth)
    assert by_model > np.mean(labels.shares().argmax(axis=1) == truth) + 0.05


def test_fit_stops_when_the_likelihood_stands_still() -> None:
    labels, _ = drawn(units=200, right=(0.9, 0.8, 0.8))
    found = dawid_skene.fit(labels=labels, iterations=1000, tolerance=1e-6)
    *_, before, last = found.log_likelihoods
    assert found.has_converged
    assert abs(last - before) < 1e-6 * labels.count
    assert len(found.log_likelihoods) < 1000


def test_fit_of_labels_that_are_all_the_same_is_that_label() -> None:
    found = dawid_skene.fit(labels=labels_of("111", "11-", "-11"))
    assert found.posteriors[:, 1] == pytest.approx(1)
    assert found.errors[:, 1, 1] == pytest.approx(1)


def test_fit_of_one_rater_believes_them() -> None:
    found = dawid_skene.fit(labels=labels_of("1", "0", "1"))
    assert found.posteriors[:, 1] == pytest.approx([1, 0, 1], abs=1e-8)


def test_smoothing_adds_to_every_count() -> None:
    found = dawid_skene.fit(labels=labels_of("1", "0", "1"), smoothing=0.5, iterations=1)
    assert found.counts.sum() == pytest.approx(3 + 4 * 0.5)
    assert found.counts.min() > 0.5


def test_posteriors_of_a_unit_with_a_thousand_labels_do_not_underflow() -> None:
    shares, total = posteriors(np.array([[-2000.0, -2001.0]]))
    assert shares[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
    assert total == pytest.approx(-2000 + np.log(1 + np.exp(-1)))


def test_labels_of_different_lengths_or_none_are_refused() -> None:
    nothing = np.empty(0, dtype=np.int64)
    with pytest.raises(ValueError, match="at least one"):
        Labels(unit=nothing, rater=nothing, label=nothing)
    with pytest.raises(ValueError, match="one length"):
        Labels(unit=np.array([0]), rater=np.array([0, 0]), label=np.array([0]))
