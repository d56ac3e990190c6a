from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotate.quality import agreement_campaign, agreement_columns
from annotate.quality.bootstrap import Figure
from tests.annotate.quality import agreement_world as world


def mark(tag: str, severity: str = "", start: int = 0, end: int = 0) -> dict[str, Any]:
    return {"tag": tag, "severity": severity, "start": start, "end": end}


def overall(outputs: list[tuple[int, list[world.Said]]]) -> agreement_campaign.Agreement:
    columns, _ = world.columns(outputs)
    shared = columns.frame()
    return agreement_campaign.overall(shared, draws=agreement_campaign.draws_for(shared, resamples=50))


def test_overall_worked_by_hand() -> None:
    """Tags: the example of agreement_campaign.py. Detection: (1, 1), (0, 0). Marks: that of unitised.py."""
    found = overall([(10, [[mark("a", start=2, end=6), mark("b")], [mark("a", start=4, end=8)]]), (10, [[], []])])
    assert found.tags.value == pytest.approx(4 / 7)
    assert found.detection == Figure(value=1.0, outputs=2, labels=4)
    assert found.f1.value == pytest.approx(1 / 2)
    assert found.unitised.value == pytest.approx(1 - 4 * (1600 - 32 - 32) / (40 * 8 * 32))
    assert found.severity.value is None


def test_severity_is_of_outputs_where_two_applied_the_tag_and_the_worst_counts() -> None:
    found = overall(
        [
            (9, [[mark("a", "minor"), mark("a", "critical")], [mark("a", "critical")], [mark("b", "minor")]]),
            (9, [[mark("a", "minor")], [mark("a", "minor"), mark("b", "major")], []]),
            (9, [[mark("a", "minor")], [mark("a")], []]),
        ]
    )
    assert (found.severity.value, found.severity.outputs, found.severity.labels) == (1, 2, 4)
    assert found.major.value == pytest.approx(1 - 8 * 4 / (81 - 36 - 9))


def test_outputs_judged_by_one_or_by_another_number_are_left_out() -> None:
    columns, _ = world.columns(
        [(5, [[mark("a")], None, []]), (6, [None, [mark("b")]]), (7, [[mark("c", start=1, end=2)], [], []])]
    )
    shared = columns.shared()
    assert shared.length.tolist() == [5, 7]
    assert shared.output.tolist() == [0, 0, 1, 1, 1]
    assert (shared.block.tolist(), columns.frame().block.tolist()) == ([0, 2], [0, 1])
    assert (shared.judgment.tolist(), shared.tag.tolist()) == ([0, 2], [0, 2])
    assert columns.shared(judgments=3).length.tolist() == [7]


def test_pairs_are_of_outputs_that_both_judged_and_most_come_first() -> None:
    columns, _ = world.columns(
        [(5, [[mark("a")], [mark("a")], None]), (5, [[], [mark("a")], []]), (5, [[], None, None]), (5, [[], [], None])]
    )
    shared = columns.frame()
    found = agreement_campaign.by_pair(shared, draws=agreement_campaign.draws_for(shared, resamples=50))
    assert [(each.annotators, each.agreement.detection.outputs) for each in found] == [
        ((0, 1), 3),
        ((0, 2), 1),
        ((1, 2), 1),
    ]
    assert found[0].agreement.detection.value == pytest.approx(4 / 9)


def test_pairs_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement_campaign, "PAIRS_AT_MOST", 2)
    monkeypatch.setattr(agreement_campaign, "ANNOTATORS_PAIRED", 3)
    columns, _ = world.columns([(5, [[], [], [], []]), (5, [None, [], [], []])])
    found = agreement_campaign.by_pair(columns, draws=agreement_campaign.draws_for(columns, resamples=5))
    assert [each.annotators for each in found] == [(1, 2), (1, 3)]


def test_a_tag_in_few_outputs_has_no_interval_however_many_there_are() -> None:
    def said(number: int, applied: int) -> list[world.Said]:
        if number >= applied:
            return [[], []]
        return [[mark("a", start=0, end=3)], [mark("a", start=0, end=2)] if number % 2 else []]

    for applied, is_told in ((9, False), (10, True)):
        columns, _ = world.columns([(9, said(number, applied)) for number in range(60)])
        [tag] = agreement_campaign.by_tag(columns, draws=agreement_campaign.draws_for(columns))
        assert [figure.low is not None for figure in (tag.presence, tag.f1, tag.unitised)] == [is_told] * 3
        assert tag.presence.outputs == 60


def test_nothing_judged_has_no_figures() -> None:
    found = overall([])
    assert found == agreement_campaign.Agreement(**dict.fromkeys(found.__slots__, Figure()))
    columns, _ = world.columns([])
    draws = agreement_campaign.draws_for(columns)
    assert agreement_campaign.by_tag(columns, draws=draws) == []
    assert agreement_campaign.by_pair(columns, draws=draws) == []


def of_public(path: Path, *, judgments: int | None = None) -> tuple[Any, dict[str, Any], agreement_columns.Columns]:
    columns, names = world.of_file(path)
    shared = columns.frame(judgments=judgments)
    draws = agreement_campaign.draws_for(shared)
    tags = agreement_campaign.by_tag(shared, draws=draws)
    return agreement_campaign.overall(shared, draws=draws), {names[each.tag]: each for each in tags}, shared


def test_figures_of_three_raters_are_the_published_ones(shared_data: Path) -> None:
    found, tags, shared = of_public(shared_data / "wmt_sxs23-ende.jsonl.gz")
    assert (shared.outputs, found.detection.labels) == (1040, 3120)
    figures = [found.detection, found.major, tags["Fluency/Punctuation"].presence]
    figures.append(tags["Accuracy/Mistranslation"].presence)
    assert [f"{figure.value:.3f}" for figure in figures] == ["0.457", "0.431", "0.606", "0.250"]
    for figure in (*figures, found.f1, found.unitised, found.tags, found.severity):
        assert figure.low < figure.value < figure.high
        assert figure.high - figure.low < 0.25
    assert tags["Accuracy/Mistranslation"].severity.labels > 500


def test_figures_of_pairs_are_the_published_ones(shared_data: Path) -> None:
    found, tags, shared = of_public(shared_data / "lspan_d2t.jsonl.gz", judgments=2)
    assert shared.outputs == 475
    figures = [found.detection, tags["Contradictory"].presence, found.f1]
    assert [f"{figure.value:.3f}" for figure in figures] == ["0.148", "0.439", "0.373"]
    assert found.severity == Figure()


def test_intervals_hold_what_chance_would_do_elsewhere() -> None:
    """Of forty samples of 200 outputs from one source, most intervals hold the alpha of a much larger one."""
    chance = np.random.default_rng(8)

    def sample(count: int) -> Figure:
        is_wrong = chance.random(count) < 0.4
        said = np.where(chance.random((count, 2)) < 0.85, is_wrong[:, None], ~is_wrong[:, None])
        columns, _ = world.columns([(9, [[mark("a")] if each else [] for each in both]) for both in said])
        return agreement_campaign.overall(columns, draws=agreement_campaign.draws_for(columns)).detection

    truth = sample(8000).value or 0
    held = [figure.low < truth < figure.high for figure in (sample(200) for _ in range(40))]  # type: ignore[operator]
    assert sum(held) >= 34
