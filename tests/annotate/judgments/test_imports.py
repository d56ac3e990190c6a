"""Importing a file: everything good is stored once, everything broken is told, and nothing stops half-way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, TagSet
from annotate.intake import actions, queries
from annotate.intake.models import ImportBatch, Output, Prompt, RefusedLine
from annotate.judgments import imported_lines, imports
from annotate.judgments.models import Judgment, Violation
from annotate.queue.models import QueueItem
from tests import factories
from tests.annotate.intake import files

pytestmark = pytest.mark.django_db
NOW = factories.NOW


def judged(number: int = 1, *, annotator: str = "rater1", **tag: Any) -> dict[str, Any]:
    tags = [{"type": "Invented fact", "start": 0, "end": 6, "severity": "major", **tag}]
    return files.record(number, annotations=[{"annotator": annotator, "tags": tags, "ok": False}])


def request(campaign: Campaign, path: Path, **options: Any) -> ImportBatch:
    return actions.create_batch(
        campaign=campaign, source="file", name=path.name, path=path, by=None, now=NOW, **options
    )


def run(campaign: Campaign, path: Path, **options: Any) -> ImportBatch:
    return imports.run(batch_id=request(campaign, path, **options).pk, clock=lambda: NOW)


def counts(batch: ImportBatch) -> tuple[int, int, int, int]:
    return batch.new_count, batch.known_count, batch.refused_count, batch.judgment_count


def stored() -> list[int]:
    return [model.objects.count() for model in (Prompt, Output, QueueItem, Judgment, Violation, User)]


def stop_after(chunks: int) -> Callable[[ImportBatch], None]:
    """Raise once so many chunks are stored, as a process dies between two of them."""
    seen = iter(range(chunks))

    def on_progress(batch: ImportBatch) -> None:
        if next(seen) == chunks - 1:
            raise KeyboardInterrupt

    return on_progress


def test_run_stores_outputs_queue_items_and_judgments(tmp_path: Path) -> None:
    campaign = factories.campaign(overlap=2)
    batch = run(
        campaign, files.jsonl(tmp_path / "mine.v2.jsonl", [judged(comment="wrong", edited="Reply"), files.record(2)])
    )
    assert (batch.state, batch.line, batch.bytes_read) == ("done", 2, batch.bytes_total)
    assert counts(batch) == (2, 0, 0, 1)
    output = Output.objects.get(text="Answer 1.")
    assert (output.batch, output.model, output.prompt.text) == (batch, "m", "Question 1?")
    assert list(QueueItem.objects.values_list("overlap", "taken_count")) == [(2, 0), (2, 0)]
    judgment = output.judgments.get()
    assert (judgment.verdict, judgment.is_current, judgment.tag_set.version) == ("rejected", True, 1)
    assert (judgment.annotator.username, judgment.annotator.kind) == ("mine/rater1", "external")
    assert not judgment.annotator.has_usable_password()
    violation = judgment.violations.get()
    assert (violation.tag.slug, violation.scope, violation.start, violation.end) == ("invented-fact", "span", 0, 6)
    assert (violation.quote, violation.critique, violation.correction) == ("Answer", "wrong", "Reply")
    assert violation.text_sha256 == output.text_sha256


def test_run_twice_adds_nothing(tmp_path: Path) -> None:
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [judged(1), judged(2), files.record(1)])
    assert counts(run(campaign, path)) == (2, 1, 0, 2)
    before = stored()
    assert counts(run(campaign, path)) == (0, 3, 0, 0)
    assert stored() == before
    other = run(factories.campaign(), path)
    assert counts(other) == (2, 1, 0, 2)


def test_run_of_a_finished_batch_does_nothing(tmp_path: Path) -> None:
    batch = run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [judged()]))
    again = imports.run(batch_id=batch.pk, clock=lambda: NOW)
    assert counts(again) == counts(batch)


def test_run_adds_new_annotations_of_known_outputs(tmp_path: Path) -> None:
    campaign = factories.campaign()
    run(campaign, files.jsonl(tmp_path / "x.jsonl", [files.record(1)]))
    both = {**judged(1), "annotations": judged(1)["annotations"] + judged(1, annotator="rater2")["annotations"]}
    assert counts(run(campaign, files.jsonl(tmp_path / "x.jsonl", [judged(1)]))) == (0, 1, 0, 1)
    assert counts(run(campaign, files.jsonl(tmp_path / "x.jsonl", [both]))) == (0, 1, 0, 1)
    assert Output.objects.count() == 1


def test_run_bad_lines_never_lose_their_neighbours(tmp_path: Path) -> None:
    campaign = factories.campaign()
    path = files.jsonl(
        tmp_path / "x.jsonl",
        [
            judged(1),
            b'{"prompt": "caf\xe9"}\n',
            files.record(2, output=""),
            files.record(3, output="a\x00b"),
            judged(4, start=0, end=999),
            judged(5, type="Unheard of"),
            b"\x00\x01\n",
            files.record(6, annotations=[{"annotator": "x" * 99, "ok": True}, {"annotator": "b", "ok": True}]),
        ],
    )
    batch = run(campaign, path, namespace="n" * 60)
    assert counts(batch) == (4, 0, 4, 2)
    assert batch.refused_annotation_count == 3
    told = list(queries.refused_lines(batch=batch).values_list("line", "is_output_stored", "reason"))
    assert [(line, is_stored) for line, is_stored, _ in told] == [
        (2, False),
        (3, False),
        (4, False),
        (5, True),
        (6, True),
        (7, False),
        (8, True),
    ]
    reasons = {line: reason for line, _, reason in told}
    assert "outside the output" in reasons[5]
    assert "no tag 'Unheard of'" in reasons[6]
    assert "over 150" in reasons[8]
    assert Judgment.objects.filter(output__prompt__text="Question 4?").count() == 0


def test_run_refuses_another_text_under_a_known_id(tmp_path: Path) -> None:
    campaign = factories.campaign()
    path = files.jsonl(
        tmp_path / "x.jsonl", [files.record(1, id="a"), files.record(2, id="a"), files.record(1, id="a")]
    )
    batch = run(campaign, path)
    assert counts(batch) == (1, 1, 1, 0)
    assert "the id 'a' is stored already" in batch.refused_lines.get(line=2).reason
    assert Output.objects.get().text == "Answer 1."


def test_run_without_make_tags_leaves_the_tag_set_alone(tmp_path: Path) -> None:
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [judged(1, type="Style/Tone"), judged(2, type="INVENTED FACT")])
    assert counts(run(campaign, path)) == (2, 0, 0, 1)
    assert TagSet.objects.count() == 1


def test_run_with_make_tags_makes_one_new_version(tmp_path: Path) -> None:
    campaign = factories.campaign()
    path = files.jsonl(
        tmp_path / "x.jsonl",
        [judged(1, type="Style/Tone"), judged(2, type="style/tone"), judged(3, type="Other  one"), judged(4, type="…")],
    )
    assert counts(run(campaign, path, make_tags=True)) == (4, 0, 0, 3)
    newest = TagSet.objects.filter(campaign=campaign).order_by("-version").first()
    assert newest is not None and newest.version == 2
    assert list(newest.tags.values_list("slug", flat=True))[-2:] == ["style/tone", "other-one"]
    run(campaign, path, make_tags=True)
    assert TagSet.objects.count() == 2


def test_run_with_too_many_tags_fails_with_the_reason_and_stores_nothing(tmp_path: Path) -> None:
    path = files.jsonl(tmp_path / "x.jsonl", [judged(number, type=f"Tag {number}") for number in range(600)])
    batch = run(factories.campaign(), path, make_tags=True)
    assert batch.state == "failed"
    assert "at most 500 tags" in batch.reason
    assert Output.objects.count() == 0


def test_run_continues_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 3)
    campaign = factories.campaign()
    lines = [judged(number) if number % 2 else b"broken\n" for number in range(1, 11)]
    for path in (files.jsonl(tmp_path / "a.jsonl", lines), files.gzipped(files.jsonl(tmp_path / "b.jsonl", lines))):
        batch = request(campaign, path)
        with pytest.raises(KeyboardInterrupt):
            imports.run(batch_id=batch.pk, clock=lambda: NOW, on_progress=stop_after(2))
        batch.refresh_from_db()
        assert (batch.state, batch.line) == ("running", 6)
        finished = imports.run(batch_id=batch.pk, clock=lambda: NOW)
        assert (finished.state, finished.new_count + finished.known_count, finished.refused_count) == ("done", 5, 5)
        assert list(finished.refused_lines.order_by("line").values_list("line", flat=True)) == [2, 4, 6, 8, 10]
    assert Output.objects.count() == Judgment.objects.filter(annotator__username="a/rater1").count() == 5


def test_run_chunk_is_stored_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = request(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [judged(1)]))

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(actions, "advance", dies)
        imports.run(batch_id=batch.pk, clock=lambda: NOW)
    assert stored()[:5] == [0, 0, 0, 0, 0]
    assert counts(imports.run(batch_id=batch.pk, clock=lambda: NOW)) == (1, 0, 0, 1)


def test_run_that_was_overtaken_gives_up_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 1)
    batch = request(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [judged(1), judged(2), judged(3)]))

    def overtake(now: ImportBatch) -> None:
        ImportBatch.objects.filter(pk=now.pk).update(line=99)

    left = imports.run(batch_id=batch.pk, clock=lambda: NOW, on_progress=overtake)
    assert (left.state, left.line, Output.objects.count()) == ("running", 99, 1)


def test_run_line_that_the_database_refuses_loses_no_neighbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotate.intake.texts.check", lambda text, name: text)
    path = files.jsonl(
        tmp_path / "x.jsonl", [judged(1), files.record(2, output="a\x00b"), judged(3, annotator="rater2")]
    )
    batch = run(factories.campaign(), path)
    assert counts(batch) == (2, 0, 1, 2)
    assert "the database cannot store it" in batch.refused_lines.get(line=2).reason
    assert stored()[:5] == [2, 2, 2, 2, 2]


def test_run_keeps_the_first_refusals_and_counts_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "REFUSED_KEPT", 5)
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 3)
    batch = run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [b"x\n"] * 8))
    assert (batch.state, batch.refused_count) == ("done", 8)
    assert list(batch.refused_lines.values_list("line", flat=True)) == [1, 2, 3, 4, 5]


def test_run_file_that_changed_or_went_away_fails(tmp_path: Path) -> None:
    path = files.jsonl(tmp_path / "x.jsonl", [judged(1)])
    changed, gone = request(factories.campaign(), path), request(factories.campaign(), path)
    path.write_bytes(path.read_bytes() * 2)
    assert imports.run(batch_id=changed.pk, clock=lambda: NOW).reason.startswith("The file has changed")
    path.unlink()
    failed = imports.run(batch_id=gone.pk, clock=lambda: NOW)
    assert (failed.state, failed.reason) == ("failed", "The file could not be opened (No such file or directory).")


def test_run_deletes_an_uploaded_file_and_no_other(
    tmp_path: Path, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.UPLOADS.mkdir()
    uploaded = files.jsonl(settings.UPLOADS / "1.jsonl", [judged(1)])
    own = files.jsonl(tmp_path / "2.jsonl", [judged(1)])
    with django_capture_on_commit_callbacks(execute=True):
        assert run(factories.campaign(), uploaded).state == run(factories.campaign(), own).state == "done"
    assert (uploaded.exists(), own.exists()) == (False, True)


def test_run_gives_up_after_stopping_at_the_same_place_too_often(tmp_path: Path) -> None:
    batch = request(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [judged(1)]))
    ImportBatch.objects.filter(pk=batch.pk).update(attempt_count=actions.ATTEMPTS)
    failed = imports.run(batch_id=batch.pk, clock=lambda: NOW)
    assert failed.state == "failed"
    assert "without getting further" in failed.reason


def test_run_hostile_text_is_stored_as_it_is(tmp_path: Path) -> None:
    hostile = '<script>alert(1)</script><div hx-get="/x" hx-trigger="load">\u202egnp.exe\u200b{{ settings }}'
    run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [files.record(1, output=hostile)]))
    assert Output.objects.get().text == hostile


def test_run_queries_do_not_grow_with_rows(tmp_path: Path, django_assert_max_num_queries: Any) -> None:
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [judged(number) for number in range(300)])
    with django_assert_max_num_queries(50):
        run(campaign, path)


def test_create_batch_refuses_a_file_of_no_accepted_kind(tmp_path: Path, settings: Any) -> None:
    settings.UPLOADS = tmp_path
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(actions.FileRefused, match=r"x\.jsonl: the file is a zip archive"):
        request(factories.campaign(), path)
    assert not path.exists()
    assert ImportBatch.objects.count() == 0


def test_waiting_ids_are_of_unfinished_batches_left_alone(tmp_path: Path) -> None:
    campaign = factories.campaign()
    batch = request(campaign, files.jsonl(tmp_path / "x.jsonl", [judged(1)]))
    factories.batch(campaign)
    assert queries.waiting_ids(now=NOW) == []
    assert queries.waiting_ids(now=NOW + 2 * queries.QUIET) == [batch.pk]


@pytest.mark.django_db(transaction=True)
def test_run_by_two_workers_at_once_stores_everything_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imported_lines, "CHUNK_ROWS", 10)
    campaign = factories.campaign()
    path = files.jsonl(tmp_path / "x.jsonl", [judged(number) for number in range(100)])
    batch = request(campaign, path)
    second: list[ImportBatch] = []

    def other_worker() -> None:
        second.append(imports.run(batch_id=batch.pk, clock=lambda: NOW))
        connections.close_all()

    def while_running(now: ImportBatch) -> None:
        if not second:
            thread = threading.Thread(target=other_worker)
            thread.start()
            thread.join()

    first = imports.run(batch_id=batch.pk, clock=lambda: NOW, on_progress=while_running)
    assert (second[0].state, second[0].line) == ("running", 10)
    assert (first.state, counts(first)) == ("done", (100, 0, 0, 100))
    assert stored()[:5] == [100, 100, 100, 100, 100]


KILLED = """
import os, signal, sys
import django
django.setup()
from annotate import clock
from annotate.judgments import imported_lines, imports
imported_lines.CHUNK_ROWS = 10
seen = []
def on_progress(batch):
    seen.append(batch.line)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
imports.run(batch_id=int(sys.argv[1]), clock=clock.now, on_progress=on_progress)
"""


@pytest.mark.django_db(transaction=True)
def test_run_after_kill_9_continues(tmp_path: Path) -> None:
    campaign = factories.campaign()
    lines = [judged(number) for number in range(1, 96)] + [b"broken\n"]
    batch = request(campaign, files.jsonl(tmp_path / "x.jsonl", lines))
    parts = settings.DATABASES["default"]
    where = {"host": parts["HOST"], "port": parts["PORT"], "user": parts["USER"], "password": parts["PASSWORD"]}
    name = connection.settings_dict["NAME"]
    address = f"dbname={name} " + " ".join(f"{key}={value}" for key, value in where.items() if value)
    environment = {**os.environ, "DATABASE_URL": address}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(batch.pk)], env=environment, cwd=settings.BASE_DIR, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    batch.refresh_from_db()
    assert (batch.state, batch.line, Output.objects.count()) == ("running", 30, 30)
    deadline = time.monotonic() + 60
    while (finished := imports.run(batch_id=batch.pk, clock=lambda: NOW)).state != "done":
        assert time.monotonic() < deadline, "the killed process still holds the batch"
        time.sleep(0.05)
    assert counts(finished) == (95, 0, 1, 95)
    assert stored()[:5] == [95, 95, 95, 95, 95]
    assert RefusedLine.objects.get().line == 96


def test_violation_source_is_json(tmp_path: Path) -> None:
    run(factories.campaign(), files.jsonl(tmp_path / "x.jsonl", [judged(1, step={"n": [1, None]}, severity="a lot")]))
    violation = Violation.objects.get()
    assert violation.severity == "critical"
    assert json.dumps(violation.source, sort_keys=True) == '{"severity": "a lot", "step": {"n": [1, null]}}'
