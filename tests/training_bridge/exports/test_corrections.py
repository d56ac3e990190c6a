from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.quality import consensus
from training_bridge.exports import corrections

TEXT = "It came out in 2018 on EMI"
Mark = tuple[Any, ...]  # (tag, start, end, correction or "", severity?)


def corrected(*annotators: Sequence[Mark], text: str = TEXT) -> tuple[str, str]:
    """Each annotator's marks -> the state, and the text that comes of it (unchanged where no pair comes of it)."""
    numbers = itertools.count(1)
    fixes: dict[int, corrections.Fix] = {}
    votes = []
    for annotator, marks in enumerate(annotators):
        made = []
        for tag, start, end, correction, *severity in marks:
            number = next(numbers)
            is_whole = start == "whole"
            place = (None, None) if is_whole else (start, end)
            made.append(
                consensus.Mark(
                    violation_id=number, tag=tag, severity=(severity or [""])[0], start=place[0], end=place[1]
                )
            )
            if correction:
                fixes[number] = corrections.Fix(text=correction, is_whole=is_whole)
        votes.append(consensus.Vote(annotator=annotator, verdict="rejected", marks=tuple(made)))
    found = corrections.of(votes=votes, agreed=consensus.verdict(votes), fixes=fixes)
    said = corrections.apply(text, found.edits)
    assert [said[start:end] for start, end in corrections.places(found.edits)] == [
        edit.text for edit in found.edits if edit.start is not None
    ]
    return found.state, said


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ([("a", 15, 19, "2019"), ("a", 23, 26, "Capitol")], "It came out in 2019 on Capitol"),
        ([("a", 15, 19, "2019"), ("b", 26, 26, ".")], "It came out in 2019 on EMI."),
        ([("a", 0, 0, "Yes. "), ("b", 0, 2, "Bloom")], "Yes. Bloom came out in 2018 on EMI"),
        ([("a", 2, 2, ","), ("b", 2, 2, " then,")], "It, then, came out in 2018 on EMI"),
        ([("a", "whole", None, "In 2019."), ("b", 15, 19, "2020"), ("c", 0, 2, "")], "In 2019."),
    ],
)
def test_of_one_annotator_makes_every_edit(marks: list[Mark], says: str) -> None:
    assert corrected(marks) == (corrections.CORRECTED, says)


def test_of_counts_code_points() -> None:
    text = "नमस्ते दुनिया 👩‍👧 कल"
    start = text.index("👩")
    made = corrected([("a", 0, 6, "हैलो"), ("b", start, start + 3, "🙂"), ("c", 2, 2, "x")], text=text)
    assert made == (corrections.CORRECTED, "हैलो दुनिया 🙂 कल")


@pytest.mark.parametrize(
    ("marks", "state"),
    [
        ([("a", 15, 19, "")], corrections.NOT_CORRECTED),
        ([("a", 15, 19, "2019"), ("b", 23, 26, "")], corrections.IN_PART),
        ([("a", 15, 19, "2019"), ("b", "whole", None, "")], corrections.IN_PART),
        ([("a", None, None, "and more")], corrections.NOT_CORRECTED),
        ([("a", 0, 10, "x"), ("b", 8, 14, "y")], corrections.CONTRADICTING),
    ],
)
def test_of_leaves_out_what_is_not_corrected_throughout(marks: list[Mark], state: str) -> None:
    """An omission without a place is not corrected by a word that nobody can put anywhere."""
    assert corrected(marks) == (state, TEXT)


@pytest.mark.parametrize(
    ("marks", "says"),
    [
        ([("a", 12, 19, "in 2019"), ("b", 15, 19, "2020")], "It came out in 2019 on EMI"),
        ([("a", 12, 19, "in 2019"), ("b", 15, 19, "")], "It came out in 2019 on EMI"),
        ([("a", 12, 19, "in 2019"), ("b", 15, 15, "May ")], "It came out in 2019 on EMI"),
        ([("a", 15, 19, "2019"), ("b", 15, 19, "2019")], "It came out in 2019 on EMI"),
        ([("a", 15, 19, "2019", "minor"), ("b", 15, 19, "2020", "major")], "It came out in 2020 on EMI"),
        ([("b", 15, 19, "2020"), ("a", 15, 19, "2019")], "It came out in 2020 on EMI"),
    ],
)
def test_of_overlapping_edits_the_wider_wins_then_the_severer_then_the_first(marks: list[Mark], says: str) -> None:
    assert corrected(marks) == (corrections.CORRECTED, says)


def test_of_several_whole_corrections_the_severest_wins() -> None:
    marks = [("a", "whole", None, "First.", "minor"), ("b", "whole", None, "Second.", "critical")]
    assert corrected(marks) == (corrections.CORRECTED, "Second.")


def test_of_several_annotators_takes_what_most_wrote_then_the_first() -> None:
    one, other = [("a", 15, 19, "2019")], [("a", 15, 19, "2020")]
    assert corrected(one, other, other)[1] == "It came out in 2020 on EMI"
    assert corrected(one, other)[1] == "It came out in 2019 on EMI"
    assert corrected([("a", 15, 19, "")], other) == (corrections.CORRECTED, "It came out in 2020 on EMI")


def test_of_several_annotators_replaces_the_marks_of_the_one_it_takes() -> None:
    """The agreed span is [15, 19); who wrote the words marked [12, 19)."""
    assert corrected([("a", 12, 19, "back in 2019")], [("a", 15, 19, "")])[1] == "It came out back in 2019 on EMI"


def test_of_several_annotators_takes_all_of_ones_edits_of_a_span_or_none() -> None:
    torn = [("a", 12, 15, "by "), ("a", 15, 19, "")]
    assert corrected(torn, [("a", 12, 19, "")])[0] == corrections.NOT_CORRECTED
    torn = [("a", 15, 19, "2019"), ("a", 12, 15, "by ")]
    again = [("a", 12, 15, "by "), ("a", 15, 19, "2019")]
    assert corrected([("a", 12, 19, "ago")], torn, again)[1] == "It came out by 2019 on EMI"


def test_of_leaves_alone_what_is_not_agreed() -> None:
    fact = ("a", 15, 19, "2019")
    assert corrected([fact, ("b", 23, 26, "")], [fact], [fact])[1] == "It came out in 2019 on EMI"
    place = ("a", 26, 26, ".")
    assert corrected([place], [place], [("a", 0, 0, "Oh, ")])[1] == TEXT + "."
    assert corrected([("a", 0, 2, "He")], [("a", 15, 19, "2019")])[1] == "He came out in 2018 on EMI"


@given(
    text=st.text(min_size=1, max_size=12),
    marks=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(0, 12), st.text(max_size=3)),
        min_size=1,
        max_size=5,
    ),
)
def test_of_changes_nothing_outside_the_marks(text: str, marks: list[tuple[str, int, int, str]]) -> None:
    placed = [
        (tag, min(start, end, len(text)), min(max(start, end), len(text)), correction)
        for tag, start, end, correction in marks
    ]
    state, said = corrected(placed, text=text)
    if state == corrections.CORRECTED:
        first, last = min(start for _, start, _, _ in placed), max(end for _, _, end, _ in placed)
        assert said.startswith(text[:first])
        assert said.endswith(text[last:])
