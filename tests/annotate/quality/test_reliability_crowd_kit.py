"""Ours against crowd-kit's, from the same start and with as many steps: on made-up labels and on public judgments."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import MACE, DawidSkene
from scipy import stats

from annotate.quality import dawid_skene, mace
from annotate.quality.reliability_labels import Codes, Floats, Labels
from tests.annotate.quality.test_dawid_skene import drawn

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:crowdkit.*")

STEPS = 5
PUBLIC = [
    ("wmt_sxs23-ende", ""),
    ("wmt_sxs23-ende", "Accuracy/Mistranslation"),
    ("lspan_d2t", ""),
    ("lspan_d2t", "Contradictory"),
]


def public(folder: Path, name: str, tag: str) -> Labels:
    """Who rejected what, or with a tag, who applied it."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [(record["id"], each) for record in map(json.loads, lines) for each in record["annotations"]]
    said = [any(mark["type"] == tag for mark in each["tags"]) if tag else not each.get("ok") for _, each in rows]
    units, raters = [unit for unit, _ in rows], [each["annotator"] for _, each in rows]
    return Labels(unit=codes(units), rater=codes(raters), label=codes(said))


def codes(values: list[Any] | Codes) -> Codes:
    return np.asarray(pd.factorize(np.array(values))[0], dtype=np.int64)


def in_order(labels: Labels) -> Labels:
    """Coded by first appearance: crowd-kit's MACE takes the parameters of one rater for another's otherwise."""
    return Labels(unit=codes(labels.unit), rater=codes(labels.rater), label=codes(labels.label), classes=labels.classes)


def frame(labels: Labels) -> pd.DataFrame:
    return pd.DataFrame({"task": labels.unit, "worker": labels.rater, "label": labels.label})


def theirs(found: pd.DataFrame, labels: Labels) -> Floats:
    return np.asarray(found.loc[range(labels.units), range(labels.classes)])


def start(labels: Labels, seed: int) -> mace.Parameters:
    """Where crowd-kit begins."""
    knowing, strategies = (
        stats.uniform(1, 1.5).rvs(size=(labels.raters, columns), random_state=seed) for columns in (2, labels.classes)
    )
    return mace.Parameters(
        knowing=knowing / knowing.sum(axis=1, keepdims=True),
        strategies=strategies / strategies.sum(axis=1, keepdims=True),
    )


def assert_same_dawid_skene(labels: Labels) -> None:
    model: Any = DawidSkene(STEPS, tol=-np.inf)
    expected = theirs(model.fit_predict_proba(frame(labels)), labels)
    found = dawid_skene.fit(labels=labels, iterations=STEPS, tolerance=0)
    assert found.posteriors == pytest.approx(expected, abs=1e-6)
    assert found.priors == pytest.approx(model.priors_[range(labels.classes)].to_numpy(), abs=1e-6)
    said = zip(labels.rater.tolist(), labels.label.tolist(), strict=True)
    for rater, label in set(said):
        row = model.errors_.loc[(rater, label), range(labels.classes)].to_numpy()
        assert found.errors[rater, label] == pytest.approx(row, abs=1e-6)


def assert_same_mace(labels: Labels, method: mace.Method) -> None:
    model = MACE(n_restarts=1, n_iter=STEPS, method=method, random_state=5)
    expected = theirs(model.fit_predict_proba(frame(labels)), labels)
    found = mace.fit(labels=labels, starts=[start(labels, 5)], method=method, iterations=STEPS, tolerance=0)
    assert found.posteriors == pytest.approx(expected, abs=1e-6)
    assert found.parameters.knowing == pytest.approx(model.spamming_, abs=1e-6)
    assert found.parameters.strategies == pytest.approx(model.thetas_, abs=1e-6)


def of_three_classes() -> Labels:
    labels, _ = drawn(units=50, right=(0.9, 0.7, 0.6, 0.4), classes=3)
    kept = np.random.default_rng(0).random(labels.count) < 0.8
    return in_order(
        Labels(unit=labels.unit[kept], rater=labels.rater[kept], label=labels.label[kept], classes=labels.classes)
    )


def test_dawid_skene_equals_crowd_kit_on_three_classes() -> None:
    assert_same_dawid_skene(of_three_classes())


@pytest.mark.parametrize("method", ["vb", "em"])
def test_mace_equals_crowd_kit_on_three_classes(method: mace.Method) -> None:
    assert_same_mace(of_three_classes(), method)


@pytest.mark.parametrize(("name", "tag"), PUBLIC)
def test_dawid_skene_equals_crowd_kit_on_public_judgments(shared_data: Path, name: str, tag: str) -> None:
    assert_same_dawid_skene(public(shared_data, name, tag))


@pytest.mark.parametrize(("name", "tag"), PUBLIC)
@pytest.mark.parametrize("method", ["vb", "em"])
def test_mace_equals_crowd_kit_on_public_judgments(shared_data: Path, name: str, tag: str, method: mace.Method) -> None:
    assert_same_mace(public(shared_data, name, tag), method)
