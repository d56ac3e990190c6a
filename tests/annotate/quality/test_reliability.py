"""Reliability: figures that are found again, intervals that are as wide as they should be, and what cannot be said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from annotate.quality import dawid_skene, mace, reliability, reliability_information
from annotate.quality.reliability_labels import Floats, Labels
from tests.annotate.quality.test_dawid_skene import drawn, labels_of


def joined(*parts: Labels) -> Labels:
    """Units one after the other; raters are the same people."""
    firsts = np.cumsum([0, *(part.units for part in parts[:-1])])
    return Labels(
        unit=np.concatenate([part.unit + first for part, first in zip(parts, firsts, strict=True)]),
        rater=np.concatenate([part.rater for part in parts]),
        label=np.concatenate([part.label for part in parts]),
    )


def yes_no(*, units: int, sens: list[float], spec: list[float], share: float = 0.5, seed: int = 0) -> Labels:
    random = np.random.default_rng(seed)
    truth = random.random(units) < share
    unit, rater = np.divmod(np.arange(units * len(sens)), len(sens))
    chance = np.where(truth[unit], np.array(sens)[rater], 1 - np.array(spec)[rater])
    return Labels(unit=unit, rater=rater, label=(random.random(unit.size) < chance).astype(np.int64))


def sensitivities(found: reliability.Reliability) -> list[float]:
    return [each.sensitivity.value for each in found.annotators if each.sensitivity]


def test_estimate_finds_sensitivity_specificity_and_prevalence() -> None:
    sens, spec = [0.9, 0.6, 0.8, 0.95], [0.7, 0.95, 0.9, 0.6]
    found = reliability.estimate(labels=yes_no(units=4000, sens=sens, spec=spec, share=0.3))
    assert found.refusal == ""
    assert found.has_converged
    assert sensitivities(found) == pytest.approx(sens, abs=0.06)
    assert [each.specificity.value for each in found.annotators if each.specificity] == pytest.approx(spec, abs=0.04)
    assert found.prevalence == pytest.approx(0.3, abs=0.03)
    assert [(each.labels, each.shared, each.partners) for each in found.annotators] == [(4000, 4000, 3)] * 4


def test_estimate_knows_units_by_their_codes() -> None:
    alone, shared = labels_of("1--", "0--"), yes_no(units=40, sens=[0.9] * 3, spec=[0.9] * 3)
    found = reliability.estimate(labels=joined(alone, shared))
    assert found.units.tolist() == list(range(2, 42))
    assert found.votes == pytest.approx(shared.shares()[:, 1])
    assert len(found.dawid_skene) == len(found.mace) == 40
    assert (found.annotators[0].labels, found.annotators[0].shared) == (42, 40)


def test_estimate_twice_is_the_same() -> None:
    labels = yes_no(units=60, sens=[0.9, 0.7, 0.6], spec=[0.8, 0.9, 0.7])
    one, same = (reliability.estimate(labels=labels, seed=4) for _ in range(2))
    assert one.annotators == same.annotators
    assert (one.mace == same.mace).all()


@pytest.mark.parametrize(
    ("labels", "refusal"),
    [
        (None, "none"),
        (labels_of(*["1", "0"] * 20), "one"),
        (labels_of(*["1--", "-0-", "--1"] * 20), "one"),
        (labels_of(*["10", "11"] * 20), "two"),
        (labels_of(*["10-", "11-", "--1"] * 20), "two"),
        (labels_of(*["110"] * 9, *["1--"] * 30), "few"),
        (labels_of(*["111"] * 30), "same"),
        (labels_of(*["000"] * 30, "1--"), "same"),
    ],
)
def test_estimate_says_what_it_cannot_tell(labels: Labels | None, refusal: str) -> None:
    found = reliability.estimate(labels=labels)
    assert found.refusal == refusal
    assert all(each.sensitivity is None and each.competence is None for each in found.annotators)
    assert len(found.annotators) == (labels.raters if labels else 0)


def test_estimate_leaves_out_whom_nobody_overlaps() -> None:
    together = yes_no(units=50, sens=[0.9] * 3, spec=[0.9] * 3)
    alone = labels_of(*["---1"] * 30)
    *others, last = reliability.estimate(labels=joined(together, alone)).annotators
    assert (last.labels, last.shared, last.partners, last.sensitivity, last.competence) == (30, 0, 0, None, None)
    assert others == reliability.estimate(labels=together).annotators


def test_estimate_says_who_shares_with_one_other_only() -> None:
    together = yes_no(units=50, sens=[0.9] * 3, spec=[0.9] * 3)
    found = reliability.estimate(labels=joined(together, labels_of(*["1--1", "0--0"] * 10)))
    assert [each.partners for each in found.annotators] == [3, 2, 2, 1]
    assert found.annotators[3].sensitivity is not None


def test_estimate_finds_one_who_says_the_opposite() -> None:
    labels = yes_no(units=400, sens=[0.9, 0.9, 0.9, 0.1], spec=[0.9, 0.9, 0.9, 0.2])
    *others, last = reliability.estimate(labels=labels).annotators
    assert last.is_worse_than_chance
    assert last.competence is not None
    assert last.competence.value < 0.05
    assert not any(each.is_worse_than_chance for each in others)


def test_estimate_turns_back_classes_that_came_out_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = yes_no(units=400, sens=[0.9, 0.8, 0.7], spec=[0.8, 0.9, 0.7], share=0.3)
    straight = reliability.estimate(labels=labels)
    fit = dawid_skene.fit
    monkeypatch.setattr(dawid_skene, "fit", lambda **given: reliability.turned(fit(**given)))
    back = reliability.estimate(labels=labels)
    assert (straight.was_turned, back.was_turned) == (False, True)
    assert back.annotators == straight.annotators
    assert back.prevalence == straight.prevalence
    assert (back.dawid_skene == straight.dawid_skene).all()


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    sens, spec = [0.9, 0.8, 0.7, 0.85, 0.75], [0.85, 0.9, 0.8, 0.7, 0.95]
    held = []
    for seed in range(30):
        found = reliability.estimate(labels=yes_no(units=150, sens=sens, spec=spec, share=0.4, seed=seed))
        for each, truly in zip(found.annotators, zip(sens, spec, strict=True), strict=True):
            for share, value in zip((each.sensitivity, each.specificity), truly, strict=True):
                assert share is not None and share.low is not None and share.high is not None
                assert share.low <= share.value <= share.high
                held.append(share.low <= value <= share.high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_intervals_are_wilsons() -> None:
    low, high = reliability.intervals(shares=np.array([0.8, 0.8]), trials=np.array([10.0, 0.0]))
    assert low.round(3).tolist() == [0.49, 0.0]
    assert high.round(3).tolist() == [0.943, 1.0]


def test_estimate_has_no_intervals_for_more_annotators_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability_information, "RATERS_AT_MOST", 2)
    found = reliability.estimate(labels=yes_no(units=50, sens=[0.9] * 3, spec=[0.9] * 3))
    share = found.annotators[0].sensitivity
    assert share is not None
    assert (share.low, share.high) == (None, None)


def test_information_is_all_there_where_the_truth_is_plain() -> None:
    labels, _ = drawn(units=200, right=(0.95,) * 15)
    left = reliability_information.left_by_dawid_skene(labels=labels, fit=dawid_skene.fit(labels=labels, smoothing=0.1))
    assert left.min() > 0.99


def test_information_of_dawid_skene_is_the_curvature_of_its_posterior() -> None:
    labels = yes_no(units=60, sens=[0.85, 0.7, 0.75], spec=[0.8, 0.8, 0.7])
    fit = dawid_skene.fit(labels=labels, smoothing=0.5, iterations=5000, tolerance=1e-14)
    left = reliability_information.left_by_dawid_skene(labels=labels, fit=fit)
    sens, spec = fit.errors[:, 1, 1], fit.errors[:, 0, 0]

    def log_posterior(logits: Floats) -> float:
        share = 1 / (1 + np.exp(-logits))
        truly = np.stack([1 - share[3:6], share[3:6]]), np.stack([share[:3], 1 - share[:3]])
        no = np.log(np.where(labels.label == 1, truly[0][0][labels.rater], truly[0][1][labels.rater]))
        yes = np.log(np.where(labels.label == 1, truly[1][0][labels.rater], truly[1][1][labels.rater]))
        by_unit = [np.bincount(labels.unit, weights=each) for each in (no, yes)]
        total = np.logaddexp(by_unit[0] + np.log(1 - share[6]), by_unit[1] + np.log(share[6])).sum()
        return float(total + 0.5 * np.log(share[:6] * (1 - share[:6])).sum())

    place = np.concatenate([sens, spec, fit.priors[1:]])
    truly = fit.counts.sum(axis=1)
    complete = np.concatenate([truly[:, 1] * sens * (1 - sens), truly[:, 0] * spec * (1 - spec), [60.0]])
    inverse = np.diag(np.linalg.inv(curvature(log_posterior, np.log(place / (1 - place)))))
    assert left.T.ravel() == pytest.approx(1 / (inverse * complete)[:6], rel=1e-3)


def test_information_of_mace_is_the_curvature_of_its_posterior() -> None:
    labels = yes_no(units=60, sens=[0.9, 0.7, 0.75], spec=[0.8, 0.8, 0.7])
    fit = settled(labels)
    left = reliability_information.left_by_mace(labels=labels, fit=fit)
    competence, guess = fit.parameters.knowing[:, 1], fit.parameters.strategies[:, 1]

    def log_posterior(logits: Floats) -> float:
        knows, yes = np.split(1 / (1 + np.exp(-logits)), 2)
        guessed = np.where(labels.label == 1, yes[labels.rater], 1 - yes[labels.rater]) * (1 - knows)[labels.rater]
        given = [np.log(guessed + knows[labels.rater] * (labels.label == truth)) for truth in (0, 1)]
        total = np.logaddexp(*(np.bincount(labels.unit, weights=each) for each in given)).sum()
        return float(total + 0.5 * np.log(knows * (1 - knows)).sum() + 10 * np.log(yes * (1 - yes)).sum())

    place = np.concatenate([competence, guess])
    inverse = np.diag(np.linalg.inv(curvature(log_posterior, np.log(place / (1 - place)))))[:3]
    assert left == pytest.approx(1 / (inverse * 61 * competence * (1 - competence)), rel=1e-3)


def settled(labels: Labels) -> mace.Fit:
    """MACE at the highest posterior density under its priors, where what it expects and its parameters are one."""
    [parameters] = mace.random_starts(labels=labels, count=1)
    for _ in range(3000):
        fit = mace.fit(labels=labels, starts=[parameters], iterations=0)
        guessed = fit.guessed + mace.STRATEGY_PRIOR
        parameters = mace.Parameters(
            knowing=np.column_stack([1 - fit.competence, fit.competence]),
            strategies=guessed / guessed.sum(axis=1, keepdims=True),
        )
    return fit


def curvature(function: Callable[[Floats], float], place: Floats, step: float = 1e-3) -> Floats:
    """Return minus the second derivatives, by central differences."""
    size = place.size
    found = np.empty((size, size))
    for row, column in np.ndindex(size, size):
        one, other = step * np.eye(size)[row], step * np.eye(size)[column]
        both = function(place + one + other) + function(place - one - other)
        found[row, column] = (function(place + one - other) + function(place - one + other) - both) / (4 * step**2)
    return found
