from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.quality import localisation, unitised

Marks = list[list[tuple[int, int]]]


def figures(*texts: tuple[int, Marks]) -> tuple[float, float]:
    """|u-alpha and F1 of texts, each its length and the marks of its annotators."""
    columns = [
        (number, rater, start, end)
        for number, (_, raters) in enumerate(texts)
        for rater, marks in enumerate(raters)
        for start, end in marks
    ]
    text, rater, start, end = np.array(columns, dtype=np.int64).reshape(-1, 4).T
    found = unitised.coverage(texts=text, annotators=rater, starts=start, ends=end, count=len(texts))
    annotators = np.array([len(raters) for _, raters in texts])
    terms = unitised.terms(found=found, annotators=annotators, lengths=np.array([length for length, _ in texts]))
    alpha = unitised.alpha(terms.sum(axis=0))
    return float(alpha), float(localisation.f1(localisation.terms(found=found, annotators=annotators).sum(axis=0)))


def by_code_points(length: int, raters: Marks) -> tuple[float, float]:
    """D of unitised.py and the pairs' F1 from sets of code points, one pair after the other."""
    sets = [set().union(*(range(start, end) for start, end in marks)) if marks else set() for marks in raters]
    apart = sum(len(a - b) for a, b in itertools.permutations(sets, 2)) / (len(sets) - 1)
    both = sum(2 * len(a & b) for a, b in itertools.combinations(sets, 2))
    total = sum(len(a) + len(b) for a, b in itertools.combinations(sets, 2))
    return apart, both / total if total else float("nan")


def test_alpha_and_f1_worked_by_hand() -> None:
    alpha, f1 = figures((10, [[(2, 6)], [(4, 8)]]))
    assert alpha == pytest.approx(1 - 4 * 356 / 1920)
    assert f1 == pytest.approx(1 / 2)


def test_alpha_of_the_published_example() -> None:
    """Three observers of a continuum of 60: |u-alpha 0.413 in Krippendorff (2019), figure 12.11, to its rounding."""
    alex = [(0, 7), (7, 13), (30, 32), (32, 37), (37, 44), (44, 60)]
    paul = [(0, 7), (7, 13), (13, 21), (32, 44)]
    suzan = [(0, 7), (7, 13), (13, 21), (32, 37), (37, 41), (41, 44)]
    alpha, _ = figures((60, [alex, paul, suzan]))
    assert alpha == pytest.approx(0.413, abs=1e-3)


def test_alpha_of_texts_laid_end_to_end_is_that_of_one_text() -> None:
    first, second = [[(2, 6)], [(4, 8), (9, 10)]], [[(0, 3)], [(1, 2)]]
    together = [[*a, *((start + 10, end + 10) for start, end in b)] for a, b in zip(first, second, strict=True)]
    assert figures((10, first), (5, second)) == pytest.approx(figures((15, together)))


def test_alpha_is_one_when_all_mark_alike_and_undefined_without_marks() -> None:
    assert figures((10, [[(2, 6)], [(2, 6)], [(2, 6)]])) == (1, 1)
    assert np.isnan(figures((10, [[], []]))).all()
    assert np.isnan(figures((10, [[(0, 10)], [(0, 10)]]))[0])


def test_overlapping_marks_of_one_annotator_are_one_and_touching_ones_two() -> None:
    def squares(*marks: tuple[int, int]) -> float:
        start, end = np.array(marks).T
        zero = np.zeros_like(start)
        found = unitised.coverage(texts=zero, annotators=zero, starts=start, ends=end, count=1)
        assert found.marked[0] == found.shared[0] == 6
        return float(found.squares[0])

    assert squares((0, 4), (2, 6)) == squares((0, 6), (1, 3), (4, 5)) == 36
    assert squares((0, 4), (4, 6)) == 16 + 4


marks = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(sorted).map(tuple)


@given(st.lists(st.lists(st.lists(marks, max_size=4), min_size=2, max_size=4), min_size=1, max_size=4))
def test_coverage_equals_counting_code_points(texts: list[Marks]) -> None:
    for raters in texts:
        _, f1 = by_code_points(12, raters)
        assert figures((12, raters))[1] == pytest.approx(f1, nan_ok=True)
    columns = [(t, r, s, e) for t, raters in enumerate(texts) for r, each in enumerate(raters) for s, e in each]
    text, rater, start, end = np.array(columns, dtype=np.int64).reshape(-1, 4).T
    found = unitised.coverage(texts=text, annotators=rater, starts=start, ends=end, count=len(texts))
    sizes = np.array([len(raters) for raters in texts])
    terms = unitised.terms(found=found, annotators=sizes, lengths=np.full(len(texts), 12))
    assert terms[:, 0] == pytest.approx([by_code_points(12, raters)[0] for raters in texts])


def test_alpha_of_random_marks_is_about_zero() -> None:
    chance = np.random.default_rng(1)
    texts = []
    for _ in range(3000):
        starts = chance.integers(0, 180, size=2)
        texts.append((200, [[(int(start), int(start) + 20)] for start in starts]))
    alpha, f1 = figures(*texts)
    assert alpha == pytest.approx(0, abs=0.03)
    assert 0.05 < f1 < 0.2
