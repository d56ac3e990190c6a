"""What reviewed outputs add up to: slices, merges, fresh outputs, and sets on a probe."""

from __future__ import annotations

import doctest

import pytest

from annotate.constraints.convergence import counts
from annotate.constraints.convergence.counts import Mark, Reviewed


def marks(*pairs: tuple[int, int, int]) -> list[Mark]:
    return [Mark(merged=merged, separate=separate, annotator=annotator) for merged, separate, annotator in pairs]


def reviewed(*constraints: int, model: str = "a", batch: str = "b", language: str = "") -> Reviewed:
    return Reviewed(
        model=model, batch=batch, language=language, marks=marks(*((each, each, 1) for each in constraints))
    )


def test_worked_numbers_of_the_docstrings() -> None:
    assert doctest.testmod(counts) == (0, 1)


def test_an_output_is_one_unit_however_many_marks_and_people() -> None:
    ledger = counts.Ledger()
    ledger.add(Reviewed(model="", batch="b", language="", marks=marks((1, 1, 7), (1, 1, 8), (2, 2, 7)), decided=2))
    tally = ledger.slices[counts.ALL, ""]
    assert (tally.units, dict(tally.merged.counts), ledger.judgments) == (1, {1: 1, 2: 1}, 2)


def test_merged_and_separate_are_counted_side_by_side() -> None:
    ledger = counts.Ledger()
    ledger.add(Reviewed(model="", batch="b", language="", marks=marks((3, 1, 7), (3, 2, 7))))
    ledger.add(Reviewed(model="", batch="b", language="", marks=marks((3, 3, 7))))
    tally = ledger.slices[counts.ALL, ""]
    assert tally.incidence(tally.merged).frequencies == {2: 1}
    assert tally.incidence(tally.separate).frequencies == {1: 3}


def test_slices_are_by_model_batch_and_language_where_there_is_one() -> None:
    ledger = counts.Ledger()
    for output in (reviewed(1, language="de"), reviewed(2, model="c")):
        ledger.add(output)
    assert {key: tally.units for key, tally in ledger.slices.items()} == {
        ("all", ""): 2,
        ("model", "a"): 1,
        ("model", "c"): 1,
        ("batch", "b"): 2,
        ("language", "de"): 1,
    }


def test_slices_of_a_kind_are_bounded_and_the_rest_is_said() -> None:
    ledger = counts.Ledger()
    for number in range(counts.SLICES_AT_MOST + 3):
        ledger.add(reviewed(1, model=f"model {number}"))
    assert sum(kind == "model" for kind, _ in ledger.slices) == counts.SLICES_AT_MOST
    assert ledger.unsliced == {"model": 3}
    assert ledger.slices[counts.ALL, ""].units == counts.SLICES_AT_MOST + 3


def test_the_smallest_slices_are_given_up_where_room_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three constraints are room for, before and after merging: "large" has two, "small" one, then another."""
    monkeypatch.setattr(counts, "CELLS_AT_MOST", 6)
    ledger = counts.Ledger()
    for constraint, model in ((1, "large"), (2, "large"), (1, "large"), (1, "small"), (2, "small"), (3, "small")):
        ledger.add(reviewed(constraint, model=model, batch=""))
    assert {key: tally.units for key, tally in ledger.slices.items()} == {(counts.ALL, ""): 6, ("model", "large"): 3}
    assert (ledger.unsliced["model"], ledger.cells) == (3, 4)


def test_fresh_outputs_are_held_against_what_was_known_before_them() -> None:
    """Six outputs: the latest three are fresh. 1 was known; 3 was not, and is not by its second sight either."""
    ledger = counts.Ledger()
    for output in (reviewed(1), reviewed(2), reviewed(), reviewed(1), reviewed(3), reviewed(1, 3)):
        ledger.add(output)
    assert counts.fresh(ledger.slices[counts.ALL, ""]) == counts.Fresh(outputs=3, without_known=1, with_new=2)
    assert counts.fresh(counts.Tally()) == counts.Fresh(outputs=0, without_known=0, with_new=0)


def test_curve_says_what_was_really_seen_by_then() -> None:
    ledger = counts.Ledger()
    for output in (reviewed(1), reviewed(1, 2), reviewed(), reviewed(3)):
        ledger.add(output)
    tally = ledger.slices[counts.ALL, ""]
    points = counts.curve(tally, tally.merged)
    assert [(point[0], point[4]) for point in points] == [(1, 1), (2, 2), (3, 2), (4, 3), (5, None), (6, None)]


def test_a_constraint_is_violated_when_more_than_half_marked_it() -> None:
    one, both = marks((1, 1, 7)), marks((1, 1, 7), (1, 1, 8))
    assert counts.violated(marks=one, decided=1, lineage={}) == {1}
    assert counts.violated(marks=one, decided=2, lineage={}) == frozenset()
    assert counts.violated(marks=both, decided=3, lineage={}) == {1}
    assert counts.violated(marks=marks((1, 1, 7), (1, 1, 7)), decided=2, lineage={}) == frozenset()


def test_votes_for_merged_constraints_add_up_in_what_they_became() -> None:
    """One marked 1, the other 2; both are 3 now."""
    lineage = counts.lineages({1: 3, 2: 3, 3: None})
    found = counts.violated(marks=marks((3, 1, 7), (3, 2, 8)), decided=2, lineage=lineage)
    assert found == {3}
