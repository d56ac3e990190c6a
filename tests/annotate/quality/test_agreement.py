import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.quality import agreement


def by_the_formula(units: list[list[str]]) -> float | None:
    """Alpha from its definition: mean disagreement of pairs within units over that of all pairs of labels."""
    units = [unit for unit in units if len(unit) > 1]
    labels = [label for unit in units for label in unit]
    pairs = list(itertools.permutations(labels, 2))
    expected = sum(a != b for a, b in pairs)
    if not expected:
        return None
    observed = sum(sum(a != b for a, b in itertools.permutations(u, 2)) / (len(u) - 1) for u in units) / len(labels)
    return 1 - observed / (expected / len(pairs))


def test_alpha_worked_by_hand() -> None:
    assert agreement.alpha([("a", "a"), ("a", "b"), ("b", "b")]) == pytest.approx(4 / 9)


def test_alpha_of_krippendorffs_published_example() -> None:
    """Four observers, twelve units, some labels missing: 0.743 in Krippendorff (2011), section C."""
    observers = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    units = zip(*(row.split() for row in observers), strict=True)
    assert agreement.alpha([[label for label in unit if label != "."] for unit in units]) == pytest.approx(
        0.743, abs=5e-4
    )


def test_alpha_undefined() -> None:
    assert agreement.alpha([]) is None
    assert agreement.alpha([("a",), ("b",)]) is None
    assert agreement.alpha([("a", "a"), ("a", "a")]) is None


def test_alpha_of_random_labels_is_about_zero() -> None:
    chance = random.Random(1)
    assert agreement.alpha([[chance.choice("ab") for _ in range(3)] for _ in range(4000)]) == pytest.approx(0, abs=0.03)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=8))
def test_alpha_equals_its_definition(units: list[list[str]]) -> None:
    expected = by_the_formula(units)
    assert agreement.alpha(units) == (None if expected is None else pytest.approx(expected, abs=1e-9))
