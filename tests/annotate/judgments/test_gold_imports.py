"""Gold: known errors come in with their whole answer, and stay apart from what is judged and trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch, Output, RefusedLine
from annotate.judgments import imported_lines, imports
from annotate.judgments.models import Judgment
from annotate.queue.models import QueueItem
from tests import factories
from tests.annotate.intake import files
from tests.annotate.judgments.test_imports import counts, judged, request, run, stored

pytestmark = pytest.mark.django_db


def plant(campaign: Campaign, folder: Path, *lines: dict[str, Any], name: str = "gold", **options: Any) -> ImportBatch:
    return run(campaign, files.jsonl(folder / f"{name}.jsonl", lines), purpose="gold", **options)


def fine(number: int) -> dict[str, Any]:
    return files.record(number, annotations=[{"annotator": "ada", "ok": True}])


def test_gold_is_queued_as_gold_with_its_answer(tmp_path: Path) -> None:
    campaign = factories.campaign()
    batch = plant(campaign, tmp_path, judged(1), fine(2))
    assert counts(batch) == (2, 0, 0, 2)
    assert set(QueueItem.objects.values_list("shelf__is_gold", flat=True)) == {True}
    assert list(Judgment.objects.order_by("output").values_list("verdict", flat=True)) == ["rejected", "nothing_wrong"]
    factories.output(campaign)
    assert set(QueueItem.objects.values_list("shelf__is_gold", flat=True)) == {True, False}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (files.record(1), "needs its known answer"),
        (files.record(1, annotations=[]), "needs its known answer"),
        (files.record(1, annotations=[{"annotator": "a", "verdict": "cannot_tell"}]), "needs its known answer"),
        (
            files.record(
                1, annotations=[{"annotator": "a", "ok": True}, {"annotator": "b", "ok": False, "comment": "x"}]
            ),
            "contradict",
        ),
        (judged(1, end=99), "whole answer only; annotation 1 (rater1) left out: tag 1: the span"),
        (judged(1, annotator="a" * 99), "the annotator's name with its namespace has 159 characters"),
        (judged(1, type="Unheard of"), "no tag 'Unheard of', which its known answer needs"),
    ],
)
def test_a_gold_line_without_its_answer_is_refused_with_its_number(
    tmp_path: Path, line: dict[str, Any], said: str
) -> None:
    batch = plant(factories.campaign(), tmp_path, fine(7), line, namespace="n" * 59)
    assert counts(batch) == (1, 0, 1, 1)
    refused = RefusedLine.objects.get()
    assert (refused.line, refused.is_output_stored) == (2, False)
    assert said in refused.reason
    assert Output.objects.count() == 1


def test_gold_imported_twice_adds_nothing(tmp_path: Path) -> None:
    campaign = factories.campaign()
    plant(campaign, tmp_path, judged(1))
    before = stored()
    assert counts(plant(campaign, tmp_path, judged(1))) == (0, 1, 0, 0)
    assert stored() == before


def test_the_first_answer_to_a_gold_output_stays(tmp_path: Path) -> None:
    campaign = factories.campaign()
    plant(campaign, tmp_path, judged(1), {**fine(1)})
    again = plant(campaign, tmp_path, fine(1), name="other")
    assert counts(again) == (0, 1, 0, 0)
    assert [judgment.verdict for judgment in Judgment.objects.all()] == ["rejected"]
    assert all("known answer already" in refused.reason for refused in RefusedLine.objects.all())
    assert RefusedLine.objects.count() == 2


def test_gold_and_the_others_never_change_sides(tmp_path: Path) -> None:
    campaign = factories.campaign()
    plant(campaign, tmp_path, judged(1))
    normal = run(campaign, files.jsonl(tmp_path / "x.jsonl", [judged(1, annotator="eve"), judged(2)]))
    assert counts(normal) == (1, 0, 1, 1)
    assert "here already as gold" in normal.refused_lines.get().reason
    late = plant(campaign, tmp_path, judged(2, annotator="bo"), name="late")
    assert counts(late) == (0, 0, 1, 0)
    assert "here already to be judged" in late.refused_lines.get().reason
    assert not Judgment.objects.filter(annotator__username__in=["x/eve", "late/bo"]).exists()


def test_gold_with_missing_tags_makes_them_when_asked(tmp_path: Path) -> None:
    batch = plant(factories.campaign(), tmp_path, judged(1, type="Unheard of"), make_tags=True)
    assert counts(batch) == (1, 0, 0, 1)


def test_a_killed_gold_import_goes_on_as_gold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 1)
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "gold.jsonl", [judged(1), judged(2)])
    batch = request(campaign, path, purpose="gold")

    def stop(_: ImportBatch) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imports.run(batch_id=batch.pk, clock=lambda: factories.NOW, on_progress=stop)
    assert counts(imports.run(batch_id=batch.pk, clock=lambda: factories.NOW)) == (2, 0, 0, 2)
    assert set(QueueItem.objects.values_list("shelf__is_gold", flat=True)) == {True}
