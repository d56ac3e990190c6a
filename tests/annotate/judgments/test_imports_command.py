from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotate.campaigns.models import Campaign
from annotate.intake import actions, queries
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import imported_lines, imports
from annotate.judgments.models import Judgment
from tests import factories
from tests.annotate.intake import files
from worker.tasks import intake as tasks

pytestmark = pytest.mark.django_db


def test_import_outputs_reports_new_known_and_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [files.record(1), b"broken\n", files.record(1)])
    call_command("import_outputs", str(path), campaign=campaign.slug)
    said = capsys.readouterr().err
    assert "x.jsonl: 1 new, 1 known, 1 refused; 0 judgments" in said
    assert "line 2: not valid JSON" in said
    batch = ImportBatch.objects.get()
    assert (batch.namespace, batch.purpose, batch.source) == ("x", "annotate", "file")


def test_import_outputs_shows_the_first_refusals_and_says_where_the_others_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = factories.campaign()
    call_command("import_outputs", str(files.jsonl(tmp_path / "x.jsonl", [b"broken\n"] * 30)), campaign=campaign.slug)
    said = capsys.readouterr().err
    assert said.count("not valid JSON") == 20
    assert f"/c/{campaign.slug}/import/{ImportBatch.objects.get().pk}/" in said


def test_import_outputs_goes_on_with_the_other_files_and_fails_at_the_end(tmp_path: Path) -> None:
    campaign = factories.campaign()
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"PK\x03\x04")
    good = files.jsonl(tmp_path / "good.jsonl", [files.record(1)])
    with pytest.raises(CommandError, match="2 of 3 files could not be imported"):
        call_command("import_outputs", str(bad), str(tmp_path / "absent.csv"), str(good), campaign=campaign.slug)
    assert Output.objects.count() == 1


def test_import_outputs_makes_campaign_and_tags(tmp_path: Path) -> None:
    factories.superuser()
    annotations = [{"annotator": "a", "tags": [{"type": "Style/Tone"}]}]
    path = files.jsonl(tmp_path / "x.jsonl", [files.record(1, annotations=annotations)])
    with pytest.raises(CommandError, match="There is no campaign new"):
        call_command("import_outputs", str(path), campaign="new")
    call_command("import_outputs", str(path), campaign="new", create_campaign="New one", make_tags=True)
    assert Campaign.objects.get(slug="new").name == "New one"
    assert Judgment.objects.get().violations.get().tag.slug == "style/tone"


def test_import_outputs_continues_an_interrupted_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 2)
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [files.record(number) for number in range(5)])
    store, calls = imports._store, iter(range(9))

    def dies_later(*args: object) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        store(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(imports, "_store", dies_later)
        call_command("import_outputs", str(path), campaign=campaign.slug)
    call_command("import_outputs", str(path), campaign=campaign.slug)
    assert "x.jsonl: continues behind line 2" in capsys.readouterr().err
    batch = ImportBatch.objects.get()
    assert (batch.state, batch.new_count, batch.known_count) == ("done", 5, 0)


def test_tasks_import_what_was_asked_for_and_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [files.record(1)])
    batch = actions.create_batch(campaign=campaign, source="api", name="x", path=path, by=None, now=factories.NOW)
    nudged: list[int] = []
    monkeypatch.setattr(tasks.run_import, "nudge", nudged.append)
    monkeypatch.setattr("annotate.clock.now", lambda: factories.NOW + 2 * queries.QUIET)
    tasks.sweep_imports()
    assert nudged == [batch.pk]
    tasks.run_import(batch.pk)
    tasks.run_import(batch.pk)
    tasks.sweep_imports()
    assert (nudged, Output.objects.count()) == ([batch.pk], 1)
