"""Building: the same bytes again, once whoever builds, and after a death."""

from __future__ import annotations

import shutil
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import DatabaseError, connection, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.errors import NotFound
from annotate.intake.models import Prompt
from annotate.judgments.models import Judgment
from tests import factories
from tests.factories import NOW
from tests.training_bridge.exports import exporting
from training_bridge.exports import actions, building, queries
from training_bridge.exports.models import DatasetVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return exporting.judged(admin)


def test_build_again_gives_the_same_bytes_whatever_came_since(campaign: Campaign, admin: User) -> None:
    first = exporting.built(campaign, admin)
    bytes_ = {path.name: path.read_bytes() for path in queries.files(first)}
    second = actions.request(
        campaign=campaign, constraint_set=first.constraint_set, format="kto", by=admin, now=NOW + timedelta(days=9)
    )
    old = Judgment.objects.filter(campaign=campaign, verdict="rejected").first()
    assert old is not None
    Judgment.objects.filter(pk=old.pk).update(is_current=False)
    factories.judgment(old.output, "nothing_wrong", annotator=old.annotator, revision=2)
    factories.judgment(factories.output(campaign))
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    rebuilt = actions.build(dataset_id=second.pk, clock=exporting.clock)
    assert {path.name: path.read_bytes() for path in queries.files(rebuilt)} == bytes_
    assert rebuilt.manifest_sha256 == first.manifest_sha256


def test_build_with_another_seed_orders_differently(campaign: Campaign, admin: User) -> None:
    made = [exporting.built(campaign, admin, options={"seed": seed}) for seed in range(4)]
    orders = {tuple(row["id"] for row in exporting.read(each)) for each in made}
    assert len(orders) > 1


def test_parquet_equals_jsonl(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin)
    assert pq.read_table(Path(dataset.folder) / "train.parquet").to_pylist() == exporting.read(dataset)


def test_chat_prompts_are_messages_in_both_files(campaign: Campaign, admin: User) -> None:
    messages = [{"role": "system", "content": "Be brief.", "name": "x"}, {"role": "user", "content": "When?"}]
    prompt = Prompt.objects.create(campaign=campaign, sha256="c" * 64, text="When?", messages=messages)
    factories.judgment(factories.output(campaign, "In 2018.", prompt=prompt), "nothing_wrong")
    dataset = exporting.built(campaign, admin)
    chat = next(row for row in exporting.read(dataset) if row["completion"] == "In 2018.")
    assert chat["prompt"] == messages
    assert all(isinstance(row["prompt"], list) for row in exporting.read(dataset))
    table = pq.read_table(Path(dataset.folder) / "train.parquet").to_pylist()
    assert [
        {**row, "prompt": [{k: v for k, v in each.items() if v is not None} for each in row["prompt"]]} for row in table
    ] == exporting.read(dataset)
    assert dataset.manifest["prompts"] == "messages"


def test_build_twice_equals_once(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin)
    before = Path(dataset.folder).stat().st_mtime_ns
    assert actions.build(dataset_id=dataset.pk, clock=exporting.clock).manifest_sha256 == dataset.manifest_sha256
    assert Path(dataset.folder).stat().st_mtime_ns == before
    with pytest.raises(actions.AlreadyReady):
        actions.retry(dataset=dataset, by=admin, now=NOW)


def test_ready_never_changes(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        DatasetVersion.objects.filter(pk=dataset.pk).update(reason="else")


def test_build_without_rows_fails_with_the_reason(campaign: Campaign, admin: User) -> None:
    made = exporting.request(campaign, admin, options={"min_judgments": 9})
    failed = actions.build(dataset_id=made.pk, clock=exporting.clock)
    assert failed.state == "failed"
    assert "7 too few judgments" in failed.reason
    assert actions.retry(dataset=failed, by=admin, now=NOW).state == "requested"


def test_build_after_the_builder_died(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = exporting.request(campaign, admin)

    def killed(*args: Any, **kwargs: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            actions.build(dataset_id=made.pk, clock=exporting.clock)
    assert queries.waiting_ids(now=NOW) == []
    assert actions.build(dataset_id=made.pk, clock=exporting.clock).state == "building"
    later = NOW + queries.STALE + timedelta(seconds=1)
    assert queries.waiting_ids(now=later) == [made.pk]
    rebuilt = actions.build(dataset_id=made.pk, clock=lambda: later)
    assert rebuilt.state == "ready"
    assert sorted(path.name for path in Path(rebuilt.folder).parent.iterdir()) == ["v1"]


def test_build_killed_between_rename_and_commit(campaign: Campaign, admin: User) -> None:
    made = exporting.request(campaign, admin)
    (actions.folder_of(made)).mkdir(parents=True)
    (actions.folder_of(made) / "torn").write_text("x")
    assert sorted(path.name for path in queries.files(actions.build(dataset_id=made.pk, clock=exporting.clock))) == [
        "manifest.json",
        "train.jsonl",
        "train.parquet",
    ]


def test_build_gives_up_after_many_deaths(campaign: Campaign, admin: User) -> None:
    made = exporting.request(campaign, admin)
    DatasetVersion.objects.filter(pk=made.pk).update(
        state="building", attempt=actions.MOST_ATTEMPTS, heartbeat_at=NOW - timedelta(hours=1)
    )
    assert actions.build(dataset_id=made.pk, clock=exporting.clock).state == "failed"


def test_build_with_a_lost_claim_gives_up_quietly(
    campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, write = exporting.request(campaign, admin), building.write

    def overtaken(*args: Any, **kwargs: Any) -> str:
        DatasetVersion.objects.filter(pk=made.pk).update(claim="00000000-0000-0000-0000-000000000000")
        shutil.rmtree(args[2])
        return write(*args, **kwargs)

    monkeypatch.setattr(building, "write", overtaken)
    assert actions.build(dataset_id=made.pk, clock=exporting.clock).state == "building"


def test_build_on_a_full_disk_is_tried_again(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = exporting.request(campaign, admin)

    def full(*args: Any, **kwargs: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building, "write", full)
    with pytest.raises(actions.DiskRefused):
        actions.build(dataset_id=made.pk, clock=exporting.clock)
    made.refresh_from_db()
    assert made.state == "building"
    assert "No space left" in made.reason
    assert queries.waiting_ids(now=NOW + timedelta(minutes=2)) == [made.pk]


@pytest.mark.django_db(transaction=True)
def test_build_by_two_at_once_is_built_once(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made, write, calls = exporting.request(campaign, admin), building.write, []

    def counted(*args: Any, **kwargs: Any) -> str:
        calls.append(1)
        return write(*args, **kwargs)

    monkeypatch.setattr(building, "write", counted)

    def build() -> None:
        actions.build(dataset_id=made.pk, clock=exporting.clock)
        connection.close()

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.refresh_from_db()
    assert (made.state, len(calls)) == ("ready", 1)


def test_file_serves_only_what_the_manifest_names(campaign: Campaign, admin: User) -> None:
    dataset = exporting.built(campaign, admin)
    (Path(dataset.folder) / "secret").write_text("x")
    assert queries.file(dataset=dataset, name="train.jsonl").is_file()
    for name in ("secret", "../v1/train.jsonl", "..", "", ".", "/etc/passwd"):
        with pytest.raises(NotFound):
            queries.file(dataset=dataset, name=name)


def test_preview_counts_what_a_build_holds(campaign: Campaign, admin: User) -> None:
    made = exporting.approved(campaign, admin)
    preview = queries.preview(campaign=campaign, constraint_set=made, format="kto")
    assert preview.counts == exporting.built(campaign, admin).manifest["counts"]


def test_build_reads_by_chunks(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exporting.read(exporting.built(campaign, admin))
    monkeypatch.setattr("training_bridge.exports.reading.CHUNK", 2)
    monkeypatch.setattr("training_bridge.exports.building.CHUNK", 3)
    monkeypatch.setattr("training_bridge.exports.writing.ROWS_PER_GROUP", 2)
    assert exporting.read(exporting.built(campaign, admin)) == whole
