from __future__ import annotations

import shutil
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import DatabaseError, connection, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint, ConstraintSet
from annotate.errors import NotFound
from annotate.intake.models import Prompt
from annotate.judgments.models import Judgment
from tests import factories
from tests.factories import NOW
from training_bridge.exports import actions, building, queries
from training_bridge.exports.models import DatasetVersion
from training_bridge.exports.options import BadOptions
from training_bridge.formats import manifest, rows

pytestmark = pytest.mark.django_db

TEXT = "Bloom was released on 31 August 2018 by EMI."


def clock() -> datetime:
    return NOW


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "datasets"
    settings.DATASETS = folder
    return folder


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    made = factories.campaign("helpdesk", by=admin, overlap=3)
    for number in range(4):
        span = {"start": 22, "end": 36, "critique": "says a date the source does not give", "severity": "critical"}
        factories.judgment(factories.output(made, f"{TEXT}{number}"), violations=[span, {"tag": "ignores-instruction"}])
    for _ in range(3):
        factories.judgment(factories.output(made), "nothing_wrong")
    return made


def approved(campaign: Campaign, admin: User, *, only: str = "") -> ConstraintSet:
    constraint_actions.regroup(campaign_id=campaign.pk, now=NOW)
    found = Constraint.objects.living().filter(campaign=campaign)
    for each in found.filter(tag_slug=only) if only else found:
        constraint_actions.accept(constraint=each, by=admin, now=NOW)
    return constraint_actions.renew(campaign=campaign, by=admin, now=NOW)


def request(campaign: Campaign, admin: User, format: str = "kto", **more: Any) -> DatasetVersion:
    only = more.pop("only", "")
    return actions.request(
        campaign=campaign, constraint_set=approved(campaign, admin, only=only), format=format, by=admin, now=NOW, **more
    )


def built(campaign: Campaign, admin: User, format: str = "kto", **more: Any) -> DatasetVersion:
    made = actions.build(dataset_id=request(campaign, admin, format, **more).pk, clock=clock)
    assert made.state == "ready", made.reason
    return made


def read(dataset: DatasetVersion, name: str = "train") -> list[dict[str, Any]]:
    return list(rows.read_jsonl(Path(dataset.folder) / f"{name}.jsonl"))


def test_build_kto(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin)
    made = read(dataset)
    assert [row["label"] for row in made].count(True) == 3
    rejected = next(row for row in made if not row["label"])
    entries = {entry.tag_slug: entry.pk for entry in dataset.constraint_set.entries.all()}
    assert rejected["completion"].startswith(TEXT)
    assert rejected["spans"] == [
        {"start": 22, "end": 36, "tag": "invented-fact", "severity": "critical", "constraint": entries["invented-fact"]}
    ]
    assert rejected["constraints"] == sorted(entries.values())
    assert rejected["severity"] == "critical"
    assert rejected["critiques"] == ["says a date the source does not give", "This is not so."]
    assert [row["critiques"] for row in made if row["label"]] == [[]] * 3
    assert dataset.manifest["counts"]["rejected_with_spans"] == 4
    assert manifest.verify(Path(dataset.folder)) == dataset.manifest


def test_build_d2o_has_rejected_only(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin, "d2o")
    assert [row["rejected"][:5] for row in read(dataset)] == ["Bloom"] * 4
    assert dataset.manifest["counts"]["left_out"]["nothing_wrong"] == 3


def test_build_takes_only_violations_of_the_set(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin, "d2o", only="ignores-instruction")
    assert all(row["spans"] == [] and len(row["constraints"]) == 1 for row in read(dataset))
    other = factories.output(campaign)
    factories.judgment(other, violations=[{"critique": "rude"}])
    later = built(campaign, admin, "d2o", only="ignores-instruction")
    assert later.manifest["counts"]["left_out"]["rejected_outside_the_set"] == 1


def test_build_leaves_out_disputes_and_evaluation_batches(campaign: Campaign, admin: User) -> None:
    disputed = factories.output(campaign)
    factories.judgment(disputed)
    factories.judgment(disputed, "nothing_wrong")
    held = factories.output(campaign, batch=factories.batch(campaign, purpose="evaluate"))
    factories.judgment(held)
    dataset = built(campaign, admin)
    assert dataset.manifest["counts"]["rows"] == 7
    assert dataset.manifest["counts"]["left_out"]["disputed"] == 1
    assert dataset.manifest["counts"]["judged_outputs"] == 8


def test_build_by_majority_keeps_what_was_agreed(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, f"{TEXT} Agreed.")
    for start, end in [(0, 10), (4, 10)]:
        factories.judgment(
            output, violations=[{"start": start, "end": end, "critique": "says a date the source does not give"}]
        )
    factories.judgment(output, "nothing_wrong")
    row = next(row for row in read(built(campaign, admin)) if row["completion"].endswith("Agreed."))
    assert [(span["start"], span["end"]) for span in row["spans"]] == [(4, 10)]


def test_build_kto_has_the_critiques_of_agreed_violations_of_the_set(campaign: Campaign, admin: User) -> None:
    """Each text once, in the order in which they were made; not of a tag that one of three applied. Text is kept."""
    date, rude = "says a date the source does not give", "<b>is rude</b> {prompt} <|im_end|>"
    output = factories.output(campaign, f"{TEXT} Agreed.")
    for critique, others in [(f" {date}\n", [rude]), (date, []), ("gives a date nobody asked for", [" "])]:
        own: list[dict[str, Any]] = [{"start": 22, "end": 36, "critique": critique}]
        own += [
            {"tag": "ignores-instruction" if each == rude else "invented-fact", "critique": each} for each in others
        ]
        factories.judgment(output, violations=own)
    both: list[dict[str, Any]] = [
        {"tag": "ignores-instruction", "critique": rude},
        {"critique": date, "start": 22, "end": 36},
    ]
    factories.judgment(factories.output(campaign, f"{TEXT} Alone."), violations=both)

    def critiques(only: str) -> list[list[str]]:
        made = {row["completion"]: row["critiques"] for row in read(built(campaign, admin, only=only))}
        return [made[f"{TEXT} Agreed."], made[f"{TEXT} Alone."]]

    assert critiques("invented-fact") == [[date, "gives a date nobody asked for"], [date]]
    assert critiques("") == [[date, "gives a date nobody asked for"], [rude, date]]


def test_build_with_options(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign)
    for _ in range(2):
        factories.judgment(output, annotator=factories.user(kind="script"))
    everyone = {"min_judgments": 2, "kinds": ["person", "script"]}
    assert built(campaign, admin, options=everyone).manifest["counts"]["rows"] == 1
    dataset = built(campaign, admin, options={"kinds": ["script"], "holdout": 0.5})
    assert dataset.manifest["counts"]["judgments_by_kind"] == {"person": 0, "script": 2, "model": 0, "external": 0}
    assert "No person" in " ".join(dataset.manifest["warnings"])


def test_build_counts_people_unless_programs_are_asked_for(campaign: Campaign, admin: User) -> None:
    output = factories.output(campaign, f"{TEXT} Both.")
    for kind in ("script", "model", "external"):
        factories.judgment(output, annotator=factories.user(kind=kind))
    factories.judgment(output, "nothing_wrong")
    dataset = built(campaign, admin)
    assert dataset.options["kinds"] == ["person", "external"]
    assert dataset.manifest["counts"]["left_out"]["disputed"] == 1
    assert dataset.manifest["counts"]["judgments_by_kind"] == {"person": 7, "script": 0, "model": 0, "external": 0}
    left_out = dataset.manifest["counts"]["judgments_left_out_by_kind"]
    assert left_out == {"person": 0, "script": 1, "model": 1, "external": 0}
    assert "left out by whose they are: script 1, model 1" in " ".join(dataset.manifest["warnings"])


def test_build_of_programs_only_says_how_to_count_them(admin: User) -> None:
    campaign = factories.campaign(by=admin)
    factories.judgment(factories.output(campaign), annotator=factories.user(kind="script"))
    made = actions.build(dataset_id=request(campaign, admin).pk, clock=clock)
    assert made.state == "failed"
    assert "script 1. Ask for them" in made.reason


def test_build_never_exports_gold(campaign: Campaign, admin: User) -> None:
    gold = factories.output(campaign, f"{TEXT} Planted.", batch=factories.batch(campaign, purpose="gold"))
    span = {"start": 22, "end": 36, "critique": "says a date the source does not give"}
    factories.judgment(gold, annotator=factories.user("gold/key", kind="external"), violations=[span])
    factories.judgment(gold, violations=[span])
    for options in ({}, {"kinds": ["person", "script", "model", "external"]}):
        dataset = built(campaign, admin, options=options)
        assert dataset.manifest["counts"]["judged_outputs"] == 7
        assert not any("Planted" in row["completion"] for row in read(dataset))


def test_build_never_exports_what_was_withdrawn(campaign: Campaign, admin: User) -> None:
    """Withdrawing takes the judgment away; of a changed mind, the revision before it counts again."""
    gone = factories.judgment(factories.output(campaign, f"{TEXT} Gone."))
    first = factories.judgment(factories.output(campaign, f"{TEXT} Back."), "nothing_wrong")
    second = factories.judgment(first.output, annotator=first.annotator, revision=2, is_current=False)
    for judgment in (gone, second):
        Judgment.objects.filter(pk=judgment.pk).update(is_current=False, withdrawn_at=NOW)
    dataset = built(campaign, admin)
    assert dataset.manifest["counts"]["judged_outputs"] == 8
    assert [row["label"] for row in read(dataset) if "Back." in row["completion"]] == [True]
    assert not any("Gone." in row["completion"] for row in read(dataset))


def test_build_keeps_the_prompt_as_written_whichever_twin_was_shown(campaign: Campaign, admin: User) -> None:
    twin = {"text": "masked", "messages": [{"role": "user", "content": "masked"}]}
    written = set(Prompt.objects.values_list("text", flat=True))
    Prompt.objects.update(twins={"masked": twin, "flipped": twin})
    Judgment.objects.update(prompt_shown="masked")
    dataset = built(campaign, admin)
    assert {row["prompt"] for row in read(dataset)} == written
    assert dataset.manifest["prompts"] == "text"


def test_build_is_of_the_moment_of_its_request(campaign: Campaign, admin: User) -> None:
    """What is withdrawn later stays in the version, as what is judged later stays out: building again is the same."""
    made = request(campaign, admin)
    Judgment.objects.filter(verdict="nothing_wrong").update(is_current=False, withdrawn_at=NOW + timedelta(seconds=5))
    dataset = actions.build(dataset_id=made.pk, clock=clock)
    assert dataset.manifest["counts"]["rows"] == 7


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"seed": True}, {"holdout": 1}, {"kinds": []}, {"kinds": "person"}, {"min_judgments": 0}, {"x": 1}],
)
def test_request_refuses_bad_options(campaign: Campaign, admin: User, options: dict[str, Any]) -> None:
    with pytest.raises(BadOptions) as refused:
        request(campaign, admin, options=options)
    assert refused.value.field == next(iter(options))


def test_request_refuses_foreign_sets_and_unknown_formats(campaign: Campaign, admin: User) -> None:
    with pytest.raises(actions.CannotRequest):
        request(campaign, admin, "dpo")
    made = approved(campaign, admin)
    with pytest.raises(actions.CannotRequest):
        actions.request(campaign=factories.campaign(), constraint_set=made, format="kto", by=admin, now=NOW)


def test_build_again_gives_the_same_bytes_whatever_came_since(campaign: Campaign, admin: User) -> None:
    first = built(campaign, admin)
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
    rebuilt = actions.build(dataset_id=second.pk, clock=clock)
    assert {path.name: path.read_bytes() for path in queries.files(rebuilt)} == bytes_
    assert rebuilt.manifest_sha256 == first.manifest_sha256


def test_build_with_another_seed_orders_differently(campaign: Campaign, admin: User) -> None:
    orders = {tuple(row["id"] for row in read(built(campaign, admin, options={"seed": seed}))) for seed in range(4)}
    assert len(orders) > 1


def test_parquet_equals_jsonl(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin)
    assert pq.read_table(Path(dataset.folder) / "train.parquet").to_pylist() == read(dataset)


def test_chat_prompts_are_messages_in_both_files(campaign: Campaign, admin: User) -> None:
    messages = [{"role": "system", "content": "Be brief.", "name": "x"}, {"role": "user", "content": "When?"}]
    prompt = Prompt.objects.create(campaign=campaign, sha256="c" * 64, text="When?", messages=messages)
    factories.judgment(factories.output(campaign, "In 2018.", prompt=prompt), "nothing_wrong")
    dataset = built(campaign, admin)
    chat = next(row for row in read(dataset) if row["completion"] == "In 2018.")
    assert chat["prompt"] == messages
    assert all(isinstance(row["prompt"], list) for row in read(dataset))
    table = pq.read_table(Path(dataset.folder) / "train.parquet").to_pylist()
    assert [
        {**row, "prompt": [{k: v for k, v in each.items() if v is not None} for each in row["prompt"]]} for row in table
    ] == read(dataset)
    assert dataset.manifest["prompts"] == "messages"


def test_build_twice_equals_once(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin)
    before = Path(dataset.folder).stat().st_mtime_ns
    assert actions.build(dataset_id=dataset.pk, clock=clock).manifest_sha256 == dataset.manifest_sha256
    assert Path(dataset.folder).stat().st_mtime_ns == before
    with pytest.raises(actions.AlreadyReady):
        actions.retry(dataset=dataset, by=admin, now=NOW)


def test_ready_never_changes(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        DatasetVersion.objects.filter(pk=dataset.pk).update(reason="else")


def test_build_without_rows_fails_with_the_reason(campaign: Campaign, admin: User) -> None:
    made = request(campaign, admin, options={"min_judgments": 9})
    failed = actions.build(dataset_id=made.pk, clock=clock)
    assert failed.state == "failed"
    assert "7 too few judgments" in failed.reason
    assert actions.retry(dataset=failed, by=admin, now=NOW).state == "requested"


def test_build_after_the_builder_died(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = request(campaign, admin)

    def killed(*args: Any, **kwargs: Any) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(building, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            actions.build(dataset_id=made.pk, clock=clock)
    assert queries.waiting_ids(now=NOW) == []
    assert actions.build(dataset_id=made.pk, clock=clock).state == "building"
    later = NOW + queries.STALE + timedelta(seconds=1)
    assert queries.waiting_ids(now=later) == [made.pk]
    rebuilt = actions.build(dataset_id=made.pk, clock=lambda: later)
    assert rebuilt.state == "ready"
    assert sorted(path.name for path in Path(rebuilt.folder).parent.iterdir()) == ["v1"]


def test_build_killed_between_rename_and_commit(campaign: Campaign, admin: User) -> None:
    made = request(campaign, admin)
    (actions.folder_of(made)).mkdir(parents=True)
    (actions.folder_of(made) / "torn").write_text("x")
    assert sorted(path.name for path in queries.files(actions.build(dataset_id=made.pk, clock=clock))) == [
        "manifest.json",
        "train.jsonl",
        "train.parquet",
    ]


def test_build_gives_up_after_many_deaths(campaign: Campaign, admin: User) -> None:
    made = request(campaign, admin)
    DatasetVersion.objects.filter(pk=made.pk).update(
        state="building", attempt=actions.MOST_ATTEMPTS, heartbeat_at=NOW - timedelta(hours=1)
    )
    assert actions.build(dataset_id=made.pk, clock=clock).state == "failed"


def test_build_with_a_lost_claim_gives_up_quietly(
    campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, write = request(campaign, admin), building.write

    def overtaken(*args: Any, **kwargs: Any) -> str:
        DatasetVersion.objects.filter(pk=made.pk).update(claim="00000000-0000-0000-0000-000000000000")
        shutil.rmtree(args[2])
        return write(*args, **kwargs)

    monkeypatch.setattr(building, "write", overtaken)
    assert actions.build(dataset_id=made.pk, clock=clock).state == "building"


def test_build_on_a_full_disk_is_tried_again(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made = request(campaign, admin)

    def full(*args: Any, **kwargs: Any) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building, "write", full)
    with pytest.raises(actions.DiskRefused):
        actions.build(dataset_id=made.pk, clock=clock)
    made.refresh_from_db()
    assert made.state == "building"
    assert "No space left" in made.reason
    assert queries.waiting_ids(now=NOW + timedelta(minutes=2)) == [made.pk]


@pytest.mark.django_db(transaction=True)
def test_build_by_two_at_once_is_built_once(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    made, write, calls = request(campaign, admin), building.write, []

    def counted(*args: Any, **kwargs: Any) -> str:
        calls.append(1)
        return write(*args, **kwargs)

    monkeypatch.setattr(building, "write", counted)

    def build() -> None:
        actions.build(dataset_id=made.pk, clock=clock)
        connection.close()

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.refresh_from_db()
    assert (made.state, len(calls)) == ("ready", 1)


def test_file_serves_only_what_the_manifest_names(campaign: Campaign, admin: User) -> None:
    dataset = built(campaign, admin)
    (Path(dataset.folder) / "secret").write_text("x")
    assert queries.file(dataset=dataset, name="train.jsonl").is_file()
    for name in ("secret", "../v1/train.jsonl", "..", "", ".", "/etc/passwd"):
        with pytest.raises(NotFound):
            queries.file(dataset=dataset, name=name)


def test_preview_counts_what_a_build_holds(campaign: Campaign, admin: User) -> None:
    made = approved(campaign, admin)
    preview = queries.preview(campaign=campaign, constraint_set=made, format="kto")
    assert preview.counts == built(campaign, admin).manifest["counts"]


def test_build_reads_by_chunks(campaign: Campaign, admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(built(campaign, admin))
    monkeypatch.setattr("training_bridge.exports.reading.CHUNK", 2)
    monkeypatch.setattr("training_bridge.exports.building.CHUNK", 3)
    monkeypatch.setattr("training_bridge.exports.writing.ROWS_PER_GROUP", 2)
    assert read(built(campaign, admin)) == whole
