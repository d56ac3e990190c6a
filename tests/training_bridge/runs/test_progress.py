"""Runs carried from request to harvest with a real process."""

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch, Output
from annotate.judgments import imports
from annotate.queue.models import QueueItem
from tests.training_bridge.runs import rows
from tests.training_bridge.runs.conftest import pid_in, wait_until
from tests.training_bridge.runs.rows import NOW
from training_bridge.formats import rundir, spec
from training_bridge.runs import actions, folder, models, progress, sampling
from training_bridge.runs.launchers import process

pytestmark = pytest.mark.django_db

Request = Callable[..., models.Run]


@pytest.fixture
def sums() -> Campaign:
    return rows.campaign(rows.admin())


@pytest.fixture
def request_run(sums: Campaign, tmp_path: Path, runs_folder: Path, manner: Callable[[str], None]) -> Request:
    rows.batch(sums, ["1", "2", "3"])
    ada = User.objects.get(username="ada")
    base = rows.checkpoint(tmp_path)
    dataset = rows.dataset(sums, ada)

    def request(**more: object) -> models.Run:
        values: dict[str, object] = {
            "campaign": sums,
            "method": "d2o",
            "base": base,
            "dataset": dataset,
            "hyperparameters": {},
            "sampling": {"count": 2},
            "by": ada,
            "now": NOW,
        }
        return actions.request(**{**values, **more})  # type: ignore[arg-type]

    return request


def advance(run: models.Run, now: datetime = NOW) -> models.Run:
    return actions.advance(run_id=run.pk, clock=lambda: now)


def to_the_end(run: models.Run) -> models.Run:
    def is_over() -> bool:
        return advance(run).is_over

    wait_until(is_over)
    return models.Run.objects.get(pk=run.pk)


def place_of(run: models.Run) -> rundir.RunDir:
    return folder.of(models.Run.objects.get(pk=run.pk))


def launched(run: models.Run) -> models.Run:
    advance(run)
    wait_until(lambda: place_of(run).status.exists())
    return advance(run)


def test_a_run_goes_all_the_way(request_run: Request, sums: Campaign) -> None:
    run = request_run()
    first = advance(run)
    assert (first.state, first.attempt) == ("launching", 1)
    ended = to_the_end(run)
    assert (ended.state, ended.reason, ended.ended_at) == ("succeeded", "", NOW)
    made = models.Checkpoint.objects.get(run=run)
    assert (made.name, made.parent, made.campaign, made.kind) == (f"sums-d2o-{run.pk}", run.base, sums, "full")
    assert len(made.manifest_sha256) == 64
    batch = made.sample_batches.get().batch
    assert (batch.state, batch.source, batch.purpose, batch.new_count) == ("done", "checkpoint", "annotate", 2)
    new = Output.objects.filter(batch=batch)
    assert {output.model for output in new} == {made.name}
    assert QueueItem.objects.filter(output__in=new).count() == 2
    assert set(new.values_list("prompt__text", flat=True)) <= {"question 0", "question 1", "question 2"}


def test_a_run_that_its_guard_stopped_says_so(request_run: Request, manner: Callable[[str], None]) -> None:
    manner("stop early")
    ended = to_the_end(request_run(hyperparameters={"max_steps": 100}))
    assert ended.state == "succeeded"
    assert "of step 60 of 100" in ended.reason


def test_the_folder_holds_what_the_trainer_reads(request_run: Request) -> None:
    run = request_run(hyperparameters={"max_steps": 7})
    advance(run)
    place = place_of(run)
    asked = place.read_spec()
    assert (asked.method, asked.run_id, asked.hyperparameters.max_steps) == ("d2o", run.pk, 7)
    assert asked.base == spec.Base(location=run.base.location)
    assert json.loads(place.train_rows.read_text())["rejected"] == "bad"
    prompts = [json.loads(line) for line in place.prompts.read_text().splitlines()]
    assert len(prompts) == 2
    assert all(row["prompt"].startswith("question ") for row in prompts)


def test_an_adapter_is_trained_over_its_parents_weights(request_run: Request, tmp_path: Path) -> None:
    at = rows.weights_folder(tmp_path / "lora")
    (at / "config.json").rename(at / "adapter_config.json")
    parent = models.Checkpoint.objects.get(name="base")
    adapter = actions.register_checkpoint(name="lora", location=at, by=None, now=NOW, kind="adapter", parent=parent)
    run = request_run(base=adapter)
    assert folder.spec_of(run).base == spec.Base(location=parent.location, adapter=str(at))


def test_a_sampling_run_links_its_outputs_to_the_base_and_may_be_repeated(request_run: Request) -> None:
    runs = [request_run(method="sample", dataset=None, sampling={"count": 3, "purpose": "evaluate"}) for _ in range(2)]
    for run in runs:
        assert to_the_end(run).state == "succeeded"
    base = models.Checkpoint.objects.get(name="base")
    batches = [linked.batch for linked in base.sample_batches.order_by("pk")]
    assert [(batch.purpose, batch.new_count, batch.refused_count) for batch in batches] == [("evaluate", 3, 0)] * 2
    assert not models.Checkpoint.objects.filter(run__in=runs).exists()


def test_prompts_are_drawn_by_the_seed_alone(request_run: Request, sums: Campaign) -> None:
    rows.batch(sums, [str(number) for number in range(40)])

    def drawn(seed: int) -> list[int]:
        choice = sampling.Choice(count=10, seed=seed)
        return [prompt.pk for prompt in folder.prompts(campaign_id=sums.pk, choice=choice)]

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)
    assert len(set(drawn(0))) == 10


def test_evaluation_prompts_are_left_out_unless_their_batch_is_named(request_run: Request, sums: Campaign) -> None:
    held_out = rows.batch(sums, ["x"] * 10, purpose="evaluate")
    every = folder.prompts(campaign_id=sums.pk, choice=sampling.Choice(count=100))
    assert every.count() == 3
    theirs = folder.prompts(campaign_id=sums.pk, choice=sampling.Choice(count=100, prompt_batch=held_out.pk))
    assert theirs.count() == 10


def test_advance_after_the_end_changes_nothing(request_run: Request) -> None:
    run = to_the_end(request_run())
    before = models.Run.objects.filter(pk=run.pk).values().get()
    advance(run, NOW + timedelta(days=1))
    assert models.Run.objects.filter(pk=run.pk).values().get() == before


@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_launch_once_and_harvest_once(
    request_run: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request_run()
    launches: list[int] = []
    launch = process.launch

    def counted(**names: object) -> object:
        launches.append(1)
        return launch(**names)  # type: ignore[arg-type]

    monkeypatch.setattr(process, "launch", counted)

    def work() -> None:
        try:
            for _ in range(40):
                advance(run)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert to_the_end(run).state == "succeeded"
    assert len(launches) == 1
    assert models.Checkpoint.objects.filter(run=run).count() == 1
    assert ImportBatch.objects.filter(source="checkpoint").count() == 1
    assert Output.objects.filter(batch__source="checkpoint").count() == 2


def test_a_worker_that_dies_after_the_start_has_started_the_only_trainer(
    request_run: Request, manner: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handle was never saved: the next worker finds the trainer through the folder."""
    manner("wait")
    run = request_run()
    launch = process.launch

    def die_afterwards(**names: object) -> object:
        launch(**names)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "launch", die_afterwards)
    with pytest.raises(KeyboardInterrupt):
        advance(run)
    monkeypatch.setattr(process, "launch", launch)
    pid = pid_in(place_of(run).path, "trainer")
    assert launched(run).state == "running"
    assert pid_in(place_of(run).path, "trainer") == pid
    assert models.Run.objects.get(pk=run.pk).attempt == 1


def test_a_worker_that_dies_between_harvest_steps_harvests_once(
    request_run: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request_run()
    advance(run)
    wait_until(lambda: not process.is_running(folder=place_of(run)))

    def die(**names: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(imports, "run", die)
        with pytest.raises(KeyboardInterrupt):
            advance(run)
    assert models.Run.objects.get(pk=run.pk).phase == "importing"
    assert to_the_end(run).state == "succeeded"
    assert models.Checkpoint.objects.filter(run=run).count() == 1
    assert ImportBatch.objects.filter(source="checkpoint").count() == 1


def test_one_place_on_the_machine_is_given_in_order(request_run: Request, manner: Callable[[str], None]) -> None:
    manner("wait")
    first, second, third = request_run(), request_run(), request_run()
    waiting = advance(second)
    assert waiting.state == "requested"
    assert "1 ahead in line" in waiting.reason
    assert launched(first).state == "running"
    assert "1 on this machine (room for 1)" in advance(second).reason
    actions.cancel(run=first, by=None, now=NOW)
    assert to_the_end(first).state == "cancelled"
    assert advance(third).state == "requested"
    assert advance(second).state == "launching"


def test_a_crash_fails_with_the_last_words_of_stderr(request_run: Request, manner: Callable[[str], None]) -> None:
    manner("crash")
    ended = to_the_end(request_run())
    assert ended.state == "failed"
    assert "RuntimeError: a bug in the recipe" in ended.reason


def test_a_refusal_of_the_trainer_fails_with_its_own_reason(
    request_run: Request, manner: Callable[[str], None]
) -> None:
    manner("fail")
    assert to_the_end(request_run()).reason == "The base has no tokenizer."


@pytest.mark.parametrize("victims", [("trainer",), ("keeper", "trainer")])
def test_kill_9_is_lost_and_resume_goes_on_in_the_same_folder(
    request_run: Request, manner: Callable[[str], None], victims: tuple[str, ...]
) -> None:
    manner("wait")
    run = launched(request_run())
    for victim in victims:
        os.kill(pid_in(place_of(run).path, victim), signal.SIGKILL)
    ended = to_the_end(run)
    assert ended.state == "lost"
    assert "Resume continues" in ended.reason
    (place_of(run).path / "steps").mkdir()
    manner("finish")
    actions.resume(run=run, by=None, now=NOW)
    again = to_the_end(run)
    assert (again.state, again.attempt, again.folder) == ("succeeded", 2, ended.folder)
    assert (place_of(run).path / "steps").exists()


def test_cancel_stops_between_steps(request_run: Request, manner: Callable[[str], None]) -> None:
    manner("wait")
    run = launched(request_run())
    actions.cancel(run=run, by=None, now=NOW)
    ended = to_the_end(run)
    assert ended.state == "cancelled"
    assert process.observe(folder=place_of(run), attempt=1).exit_code == 1


def test_cancel_forces_a_trainer_that_does_not_listen(request_run: Request, manner: Callable[[str], None]) -> None:
    manner("stubborn")
    run = launched(request_run())
    actions.cancel(run=run, by=None, now=NOW)
    assert advance(run, NOW + progress.TERMINATE_AFTER).state == "running"
    advance(run, NOW + progress.KILL_AFTER)
    wait_until(lambda: not process.is_running(folder=place_of(run)))
    ended = advance(run, NOW + progress.KILL_AFTER)
    assert ended.state == "cancelled"
    assert process.observe(folder=place_of(run), attempt=1).exit_code == -signal.SIGKILL


def test_a_trainer_without_a_sign_of_life_is_stopped_and_lost(
    request_run: Request, manner: Callable[[str], None]
) -> None:
    manner("stubborn")
    run = launched(request_run())
    beat = models.Run.objects.get(pk=run.pk).heartbeat_at
    assert beat is not None
    ended = advance(run, beat + progress.STALE_AFTER + timedelta(seconds=1))
    assert ended.state == "lost"
    assert "No sign of life" in ended.reason
    wait_until(lambda: not process.is_running(folder=place_of(run)))


def test_a_dataset_that_was_changed_on_disk_is_refused(request_run: Request) -> None:
    run = request_run()
    assert run.dataset is not None
    (Path(run.dataset.folder) / "train.jsonl").write_text("{}\n")
    ended = to_the_end(run)
    assert ended.state == "failed"
    assert "train.jsonl differs" in ended.reason


def test_a_checkpoint_that_does_not_match_its_manifest_is_refused(
    request_run: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = request_run()
    advance(run)
    place = place_of(run)
    wait_until(lambda: not process.is_running(folder=place))
    (place.checkpoint / "config.json").write_text("{}")
    ended = to_the_end(run)
    assert ended.state == "failed"
    assert "config.json differs" in ended.reason
    assert not models.Checkpoint.objects.filter(run=run).exists()


def test_a_trainer_that_cannot_be_started_fails_with_the_reason(
    request_run: Request, settings: object, runs_folder: Path
) -> None:
    settings.TRAINER_PYTHON = "/no/such/python"  # type: ignore[attr-defined]
    ended = to_the_end(request_run())
    assert ended.state == "failed"
    assert "/no/such/python" in ended.reason


def test_a_cancel_before_the_start_starts_nothing(request_run: Request) -> None:
    run = request_run()
    models.Run.objects.update(state="launching", attempt=1, cancel_requested_at=NOW)
    assert advance(run).state == "cancelled"
    assert not place_of(run).path.exists()
