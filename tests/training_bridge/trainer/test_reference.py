"""The starting model's log-probs are computed once per model and row, whatever run asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_logprobs, test_recipes, toys
from training_bridge.formats import rundir
from training_bridge.trainer import cache, data, errors, job, logprobs, models, reference

Make = Callable[..., rundir.RunDir]
JobOf = Callable[[rundir.RunDir], job.Job]


@pytest.fixture
def score(make: Make, job_of: JobOf) -> Callable[..., tuple[list[data.Encoded], dict[str, Any]]]:
    """Score rows in a run of that name; returns them and what the run said: found and computed."""

    def attached(name: str, count: int = 7, **asked: Any) -> tuple[list[data.Encoded], dict[str, Any]]:
        place = make(name, **{"method": "kto", "batch_size": 2, **asked})
        rows = test_logprobs.items(count)
        reference.attach(job=job_of(place), policy=models.for_training(asked=place.read_spec()), items=rows)
        [told] = test_recipes.events(place, "reference")
        assert told["rows"] == told["found"] + told["computed"] == count
        return rows, told

    return attached


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / cache.NAME).glob("*/*"))


def assert_same(rows: list[data.Encoded], others: list[data.Encoded]) -> None:
    for one, other in zip(rows, others, strict=True):
        assert one.reference is not None
        assert other.reference is not None
        assert one.reference.equal(other.reference)


def test_attach_computes_nothing_a_second_time(
    score: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, told = score("first")
    assert told["computed"] == 7
    assert len(files(tmp_path)) == 1
    monkeypatch.setattr(logprobs, "of_tokens", None)
    again, told = score("again", lora_rank=2)
    assert told["found"] == 7
    assert_same(first, again)


def test_attach_computes_the_rows_that_are_new(score: Callable[..., Any], tmp_path: Path) -> None:
    score("first", 4)
    _, told = score("second", 7)
    assert (told["found"], told["computed"]) == (4, 3)
    assert len(files(tmp_path)) == 2
    _, told = score("third", 7)
    assert told["computed"] == 0


def test_attach_computes_anew_with_other_weights_or_precision(
    score: Callable[..., Any], make: Make, launch: Callable[[rundir.RunDir], rundir.Status], tmp_path: Path
) -> None:
    score("first")
    others: dict[str, dict[str, Any]] = {
        "another": {"location": toys.base(tmp_path / "another", seed=3)},
        "bfloat16": {"dtype": "bfloat16"},
        "bfloat16 weights": {"dtype": "bfloat16", "lora_rank": 2},
    }
    for name, asked in others.items():
        assert score(name, **asked)[1]["found"] == 0, name
    adapter = make("adapter", method="kto", rows=test_recipes.kto_rows(), max_steps=1, lora_rank=2)
    assert launch(adapter).reason == ""
    assert score("adapted", adapter=str(adapter.checkpoint))[1]["found"] == 0
    assert len({file.parent for file in files(tmp_path)}) == 5


def test_a_copy_of_the_base_is_the_same_model(score: Callable[..., Any], tmp_path: Path) -> None:
    score("first")
    assert score("copy", location=toys.base(tmp_path / "copy"))[1]["computed"] == 0


def test_a_prompt_that_ends_elsewhere_is_another_row() -> None:
    ids = [5, 6, 7, 8]
    keys = {cache.key_of_row(data.Encoded(ids=ids, prompt_length=length)) for length in (1, 2, 3)}
    assert len(keys) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_attach_passes_over_a_damaged_file(score: Callable[..., Any], tmp_path: Path, damage: str) -> None:
    first, _ = score("first")
    [file] = files(tmp_path)
    content = file.read_bytes()
    file.write_bytes({"cut": content[:-9], "changed": content[:-1] + b"?", "empty": b""}[damage])
    again, told = score("again")
    assert told["computed"] == 7
    assert_same(first, again)
    assert score("third")[1]["found"] == 7  # the whole file took the damaged one's place


@pytest.mark.parametrize("when", ["mkdir", "open"])
def test_attach_goes_on_with_a_full_disk(
    score: Callable[..., Any], make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    real = getattr(Path, when)

    def full(self: Path, *arguments: Any, **rest: Any) -> Any:
        if cache.NAME in self.parts:
            raise OSError(28, "No space left on device")
        return real(self, *arguments, **rest)

    monkeypatch.setattr(Path, when, full)
    _, told = score("first")
    assert told["computed"] == 7
    monkeypatch.undo()
    assert files(tmp_path) == []
    [event] = test_recipes.events(rundir.RunDir(path=tmp_path / "first"), "no_reference_cache")
    assert "No space left" in event["reason"]


def test_attach_keeps_nothing_of_a_model_without_a_name(make: Make, job_of: JobOf, tmp_path: Path) -> None:
    """Built in memory: no other run can begin with it."""
    policy = models.load(asked=make("policy", method="kto").read_spec())
    place = make("run", method="kto", location=tmp_path / "nowhere")
    rows = test_logprobs.items()
    reference.attach(job=job_of(place), policy=policy, items=rows)
    assert files(tmp_path) == []
    assert all(row.reference is not None for row in rows)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_a_policy_that_has_moved_is_another_model(make: Make, lora_rank: int) -> None:
    policy = models.for_training(asked=make(method="kto", lora_rank=lora_rank).read_spec())
    before = cache.key_of_model(policy)
    with torch.no_grad():
        list(policy.trainable().values())[-1].view(-1)[0] += 1e-3
    assert cache.key_of_model(policy) != before
    if lora_rank:
        with policy.model.disable_adapter():
            assert cache.key_of_model(policy) == before


def test_attach_after_a_kill_makes_the_same_numbers(
    score: Callable[..., Any], make: Make, job_of: JobOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batches of what was left are those of a run that nobody killed."""
    monkeypatch.setattr(reference, "KEEP_SECONDS", 0.0)
    place = make("first", method="kto", batch_size=1)
    here = job_of(place)
    progress = here.reporter.progress

    def cancel_at_four(step: int) -> None:
        progress(step)
        if step == 4:
            raise errors.Cancelled

    monkeypatch.setattr(here.reporter, "progress", cancel_at_four)
    rows = test_logprobs.items(7)
    policy = models.load(asked=place.read_spec())
    with pytest.raises(errors.Cancelled):
        reference.attach(job=here, policy=policy, items=rows)
    again, told = score("again", batch_size=1)
    assert (told["found"], told["computed"]) == (4, 3)
    for file in files(tmp_path):
        file.unlink()
    whole, told = score("whole", batch_size=1)
    assert told["computed"] == 7
    assert_same(again, whole)


def test_two_trainers_may_write_at_once(tmp_path: Path) -> None:
    shared = cache.Cache(folder=tmp_path / "model")
    rows = {bytes([number]) * 32: torch.full((number + 1,), float(number)) for number in range(40)}

    def write(mine: list[bytes]) -> None:
        for key in mine:
            shared.add({key: rows[key]})

    names = list(rows)
    writers = [threading.Thread(target=write, args=(part,)) for part in (names[:25], names[15:])]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = shared.read(wanted=names)
    assert found.keys() == rows.keys()
    assert all(found[key].equal(rows[key]) for key in names)
    assert not list(shared.folder.glob(".*"))
