"""Scores against known answers: every number here is worked out by hand."""

from __future__ import annotations

import pytest

from annotate.quality import gold
from annotate.quality.gold import Answer, Mark, Score


def rejects(*marks: tuple[str, int | None, int | None]) -> Answer:
    return Answer(verdict="rejected", marks=tuple(Mark(tag=tag, start=start, end=end) for tag, start, end in marks))


FINE = Answer(verdict="nothing_wrong")
UNSURE = Answer(verdict="cannot_tell")


def scored(*pairs: tuple[Answer, Answer]) -> Score:
    score = Score()
    for known, given in pairs:
        score.add(known=known, given=given)
    return score


def test_the_example_of_the_docstring() -> None:
    score = scored((rejects(("fact", 10, 20)), rejects(("fact", 15, 25))))
    assert [score.found.share, score.tags.share] == [1, 1]
    assert [score.recall.share, score.precision.share, score.f1.share] == [0.5, 0.5, 0.5]


def test_hits_misses_and_false_alarms() -> None:
    wrong = rejects(("fact", 0, 4))
    score = scored(
        (wrong, wrong), (wrong, FINE), (FINE, wrong), (FINE, FINE), (FINE, FINE), (wrong, UNSURE), (FINE, UNSURE)
    )
    assert (score.judged, score.cannot_tell) == (5, 2)
    assert (score.found.total, score.found.outputs) == (1, 2)
    assert (score.alarms.total, score.alarms.outputs) == (1, 3)
    assert score.recall.share == pytest.approx(1 / 2)
    assert (score.precision.share, score.precision.outputs) == (1, 1)


def test_tags_count_wherever_they_were_applied() -> None:
    score = scored(
        (rejects(("fact", 0, 4), ("fact", 8, 9), ("style", None, None)), rejects(("fact", 20, 30), ("logic", 40, 41)))
    )
    assert (score.tags.total, score.tags.outputs) == (0.5, 1)
    assert score.recall.share == 0


def test_a_rejection_for_a_comment_only_has_no_tags_to_find() -> None:
    score = scored((Answer(verdict="rejected"), rejects(("fact", 0, 4))))
    assert score.found.share == 1
    assert score.tags.share is score.recall.share is score.f1.share is None


def test_code_points_under_several_marks_count_once() -> None:
    known = rejects(("fact", 0, 10), ("style", 5, 15))  # 15 code points
    given = rejects(("fact", 0, 3), ("fact", 2, 5), ("logic", 12, 20))  # 5 + 8, of which 5 + 3 are right
    score = scored((known, given))
    assert score.recall.share == pytest.approx(8 / 15)
    assert score.precision.share == pytest.approx(8 / 13)
    assert score.f1.share == pytest.approx(16 / 28)


def test_an_omission_and_the_whole_output_have_no_code_points() -> None:
    score = scored((rejects(("fact", 7, 7), ("style", None, None)), rejects(("fact", 0, 9))))
    assert score.recall.outputs == score.precision.outputs == 0


def test_each_output_weighs_the_same() -> None:
    ten = rejects(*(("fact", 10 * n, 10 * n + 5) for n in range(10)))
    one = rejects(("fact", 0, 5))
    assert scored((ten, FINE), (one, one)).recall.share == 0.5


@pytest.mark.parametrize(
    ("total", "outputs", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (8, 10, 0.4902, 0.9433),
        (1, 1, 0.2065, 1.0),
        (50, 100, 0.4038, 0.5962),
    ],
)
def test_wilson_against_the_published_formula(total: float, outputs: int, low: float, high: float) -> None:
    assert gold.wilson(total, outputs) == pytest.approx((low, high), abs=1e-4)


def test_nothing_measured_says_nothing() -> None:
    assert Score().found.share is None
    assert Score().found.interval is None


def test_together_is_what_all_annotations_of_the_line_say() -> None:
    assert gold.together([rejects(("fact", 0, 4)), rejects(("style", 5, 6))]) == rejects(
        ("fact", 0, 4), ("style", 5, 6)
    )
    assert gold.together([FINE, FINE]) == FINE
