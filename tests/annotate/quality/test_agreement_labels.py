from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.quality import agreement, agreement_labels

Units = list[list[int | None]]
GIVEN = st.one_of(st.none(), st.integers(0, 3))


def columns(units: Units) -> dict[str, list[int]]:
    """A missing label is written as -1."""
    rows = [(u, r, -1 if label is None else label) for u, unit in enumerate(units) for r, label in enumerate(unit)]
    return {name: [row[place] for row in rows] for place, name in enumerate(("units", "raters", "labels"))}


def by_the_formula(units: Units) -> float | None:
    """Ordinal alpha from its definition: mean difference of pairs within units over that of all pairs of labels."""
    kept = [[label for label in unit if label is not None] for unit in units]
    kept = [unit for unit in kept if len(unit) > 1]
    labels = [label for unit in kept for label in unit]
    often = [labels.count(label) for label in range(4)]

    def apart(a: int, b: int) -> float:
        low, high = sorted((a, b))
        return float(sum(often[low : high + 1]) - (often[low] + often[high]) / 2) ** 2 if a != b else 0.0

    pairs = list(itertools.permutations(labels, 2))
    expected = sum(apart(a, b) for a, b in pairs)
    if not expected:
        return None
    observed = sum(sum(apart(a, b) for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in kept)
    return 1 - (observed / len(labels)) / (expected / len(pairs))


def test_ordinal_worked_by_hand() -> None:
    units: Units = [[0, 0], [0, 2]]
    assert agreement_labels.ordinal(**columns(units), categories=3) == pytest.approx(0)
    assert agreement_labels.nominal(**columns(units), categories=3) == pytest.approx(0)


def test_nominal_and_ordinal_of_krippendorffs_published_example() -> None:
    """Four observers, twelve units, some labels missing: 0.743 and 0.815 in Krippendorff (2011), section C."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    units: Units = [
        [None if label == "." else int(label) - 1 for label in unit]
        for unit in zip(*(row.split() for row in observers), strict=True)
    ]
    assert agreement_labels.nominal(**columns(units), categories=5) == pytest.approx(0.743, abs=5e-4)
    assert agreement_labels.ordinal(**columns(units), categories=5) == pytest.approx(0.815, abs=5e-4)


def test_order_makes_near_labels_agree_more_than_far_ones() -> None:
    near: Units = [[0, 1], [1, 2], [0, 0], [2, 2], [1, 1]]
    far: Units = [[0, 2], [1, 2], [0, 0], [1, 2], [1, 1]]
    assert (agreement_labels.ordinal(**columns(near), categories=3) or 0) > 0.5
    assert (agreement_labels.ordinal(**columns(far), categories=3) or 0) < 0.3


@given(st.lists(st.lists(GIVEN, max_size=5), max_size=8))
def test_ordinal_equals_its_definition(units: Units) -> None:
    expected = by_the_formula(units)
    found = agreement_labels.ordinal(**columns(units), categories=4)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(st.lists(st.lists(GIVEN, max_size=5), max_size=8))
def test_nominal_equals_the_one_that_goes_unit_by_unit(units: Units) -> None:
    expected = agreement.alpha([[label for label in unit if label is not None] for unit in units])
    found = agreement_labels.nominal(**columns(units), categories=4)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-9))


def test_counts_refuse_what_cannot_be() -> None:
    with pytest.raises(ValueError, match="Rater 7 labelled unit 3 twice"):
        agreement_labels.counts(units=[3, 3], raters=[7, 7], labels=[0, 1], categories=2)
    with pytest.raises(ValueError, match="Label 2 is not one of 2 categories"):
        agreement_labels.counts(units=[3], raters=[7], labels=[2], categories=2)


def test_counts_leave_out_what_is_missing_or_alone() -> None:
    found = agreement_labels.counts(
        units=[9, 9, 4, 4, 5], raters=[1, 2, 1, 2, 1], labels=[1, 0, 1, -1, 1], categories=2
    )
    assert found.units.tolist() == [9]
    assert found.table.tolist() == [[1, 1]]
    assert found.labels == 2
    assert np.isnan(agreement_labels.nominal_alpha(np.array([0.0, 3, 0])))
