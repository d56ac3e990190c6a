"""Every way a run is refused: a sentence for people, and nothing half-made."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from training_bridge.formats import rundir, spec
from training_bridge.trainer import boundary, errors, loop, reporting
from training_bridge.trainer.recipes import pretrain

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]
ROW = {"prompt": "1 + 1 = ", "completion": "2.", "label": True}


def without(base: Path, folder: Path, *names: str) -> Path:
    shutil.copytree(base, folder)
    for name in names:
        (folder / name).unlink()
    return folder


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def refusal(launch: Launch, place: rundir.RunDir) -> str:
    status = launch(place)
    assert status.state == "failed"
    assert not place.checkpoint.exists()
    assert not place.outputs.exists()
    return status.reason


def test_run_refuses_a_bad_spec(tmp_path: Path, launch: Launch) -> None:
    (tmp_path / "spec.json").write_text(json.dumps({"method": "magic"}))
    assert "method is 'magic'" in refusal(launch, rundir.RunDir(path=tmp_path))


def test_run_refuses_a_missing_spec(tmp_path: Path, launch: Launch) -> None:
    assert "spec.json is missing" in refusal(launch, rundir.RunDir(path=tmp_path))


def test_run_refuses_a_folder_that_is_none(tmp_path: Path) -> None:
    assert boundary.run(folder=tmp_path / "nowhere") == 1


def test_run_refuses_a_base_that_does_not_exist(make: Make, launch: Launch) -> None:
    place = make(method="kto", rows=[ROW], location=Path("/no/such/model"))
    assert refusal(launch, place) == "The base /no/such/model does not exist on this machine."


def test_run_refuses_a_name_that_cannot_be_downloaded(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = make(method="kto", rows=[ROW], location=Path("nobody/no-such-model"))
    assert "neither a folder on this machine nor a model that could be downloaded" in refusal(launch, place)


def test_run_refuses_a_base_without_weights(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    place = make(method="kto", rows=[ROW], location=without(base, tmp_path / "b", "model.safetensors"))
    assert "has no weights" in refusal(launch, place)


def test_run_refuses_pickled_weights(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b", "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04whatever")
    assert "only as a pickle" in refusal(launch, make(method="kto", rows=[ROW], location=folder))


def test_run_refuses_a_broken_safetensors_file(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b")
    (folder / "model.safetensors").write_bytes(b"\x10\x00\x00")
    assert "could not be loaded" in refusal(launch, make(method="kto", rows=[ROW], location=folder))


def test_run_refuses_incomplete_weights(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    safetensors.torch.save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert "lacks 1 of its weights" in refusal(launch, make(method="kto", rows=[ROW], location=folder))


def test_run_refuses_a_base_without_tokenizer(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b", "tokenizer.json", "tokenizer_config.json")
    assert "tokenizer" in refusal(launch, make(method="kto", rows=[ROW], location=folder))


def test_run_refuses_remote_code(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b")
    config = json.loads((folder / "config.json").read_text())
    config["model_type"] = "homemade"
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text("raise SystemExit('ran')\n")
    assert refusal(launch, make(method="kto", rows=[ROW], location=folder))


def test_run_refuses_a_tokenizer_larger_than_the_model(make: Make, launch: Launch, base: Path, tmp_path: Path) -> None:
    folder = without(base, tmp_path / "b")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 10}))
    place = make(method="pretrain", rows=[ROW], location=folder)
    assert "has only 10 embeddings" in refusal(launch, place)


@pytest.mark.parametrize(
    ("method", "row", "says"),
    [
        ("kto", {"prompt": "a", "completion": "b"}, "line 1: label must be true or false"),
        ("kto", {"prompt": "", "completion": "b", "label": True}, "line 1: prompt must be"),
        ("kto", {"prompt": "a", "completion": None, "label": True}, "line 1: completion must be a text"),
        ("d2o", {"prompt": "a", "completion": "b"}, "line 1: rejected must be a text"),
        ("d2o", {"prompt": "a", "rejected": "b", "spans": [{"start": 0, "end": 2}]}, "does not lie inside the 1"),
        ("d2o", {"prompt": "a", "rejected": "b", "spans": [{"start": 1, "end": 1}]}, "does not lie inside"),
        ("d2o", {"prompt": [{"role": "user", "content": "a"}], "rejected": "b"}, "no chat template"),
        ("pretrain", {"prompt": 3, "completion": "b"}, "line 1: prompt must be"),
    ],
)
def test_run_refuses_a_bad_row(make: Make, launch: Launch, method: str, row: dict[str, Any], says: str) -> None:
    assert says in refusal(launch, make(method=method, rows=[row]))


def test_run_refuses_missing_and_broken_rows(make: Make, launch: Launch) -> None:
    assert "has no data/train.jsonl" in refusal(launch, make("none", method="kto"))
    assert "has no rows" in refusal(launch, make("empty", method="kto", rows=[]))
    torn = make("torn", method="kto", rows=[ROW])
    with torn.train_rows.open("a") as file:
        file.write('{"prompt": "1')
    assert "data/train.jsonl, line 2: not valid JSON" in refusal(launch, torn)


def test_run_refuses_sampling_without_prompts(make: Make, launch: Launch) -> None:
    assert "needs data/prompts.jsonl" in refusal(launch, make("a", method="sample", sampling={}))
    assert "no sampling part" in refusal(launch, make("b", method="sample", prompts=[ROW]))
    assert "line 1: prompt is missing" in refusal(launch, make("c", method="sample", prompts=[{}], sampling={}))


def test_run_refuses_a_device_that_is_not_there(make: Make, launch: Launch) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "no such GPU" in refusal(launch, make("a", method="kto", rows=[ROW], device="cuda"))
    assert "may be auto, cpu" in refusal(launch, make("b", method="kto", rows=[ROW], device="abacus"))


@pytest.mark.parametrize("max_grad_norm", [1.0, 0.0])
@pytest.mark.parametrize(
    ("factor", "says"),
    [(float("nan"), "loss"), (float("inf"), "loss"), (None, "gradient")],
    ids=["nan", "inf", "gradient"],
)
def test_run_stops_when_the_loss_or_gradient_is_no_number_and_saves_the_batch(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch, factor: float | None, says: str, max_grad_norm: float
) -> None:
    place = make(method="pretrain", rows=[ROW] * 6, batch_size=2, gradient_accumulation=2, max_grad_norm=max_grad_norm)
    of_rows = pretrain.loss

    def faulty(*asked: Any) -> loop.Loss:
        found = of_rows(*asked)
        if asked[-1].number < 1:
            return found
        # The square root's slope at 0 is infinite, its value is not.
        value = found.value * factor if factor is not None else found.value + (found.value - found.value).sqrt()
        return dataclasses.replace(found, value=value)

    monkeypatch.setattr(pretrain, "loss", faulty)
    reason = refusal(launch, place)
    assert reason.startswith(f"The {says} is not a number at step 2 (learning rate 0.00075)")
    assert "failed-batch/rows.jsonl" in reason
    lines = [json.loads(line) for line in (place.failed_batch / "rows.jsonl").read_text().splitlines()]
    assert [(each["micro_batch"], each["row"], each["prompt"]) for each in lines] == [
        (micro, row, ROW["prompt"]) for micro in range(2) for row in range(2)
    ]
    facts = json.loads((place.failed_batch / "step.json").read_text())
    assert facts["step"] == 2
    assert isinstance(facts["loss"], str) is (says == "loss")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB."),
            "(2.50 GiB more were wanted). Lower",
        ),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "Out of memory"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), "Out of memory"),
        (RuntimeError("unable to mmap 4096 bytes from file <a>: Cannot allocate memory (12)"), "Out of memory"),
        (OSError(12, "Cannot allocate memory"), "Out of memory"),
        (MemoryError(), "Out of memory while training. Lower"),
        (OSError(122, "Disk quota exceeded"), "The disk is full (while training)"),
        (OSError(27, "File too large"), "The disk is full (while training)"),
        (caused(errors.Refused("The base could not be loaded."), OSError(28, "full")), "The disk is full"),
        (caused(errors.Refused("The base could not be loaded."), MemoryError()), "Out of memory"),
        (caused(errors.Refused("The base could not be loaded."), OSError(2, "gone")), "The base could not be loaded."),
        (OSError(28, "No space left on device"), "The disk is full (while training)"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk is full"),
        (errors.Refused("No."), "No."),
        (KeyError("colour"), "An unexpected error while training: KeyError: 'colour'"),
        (ValueError(), "An unexpected error while training: ValueError"),
    ],
)
def test_reason_of_names_what_to_do(error: Exception, says: str) -> None:
    assert says in boundary.reason_of(error, phase="training", asked=asked_for())


@pytest.mark.parametrize(
    ("phase", "numbers", "says"),
    [
        (
            "training",
            {"batch_size": 16, "gradient_accumulation": 2, "max_length": 2048},
            "Lower batch_size (16; raise gradient_accumulation from 2 to keep the rows of a step) or "
            "max_length (2048), "
            "train an adapter (lora_rank 8 or 16) instead of all weights, or use dtype bfloat16 on a GPU.",
        ),
        (
            "reference",
            {"batch_size": 1, "lora_rank": 64, "dtype": "bfloat16"},
            "Lower max_length (as long as the base reads) or lora_rank (64).",
        ),
        ("sampling", {}, "Lower the sampling's batch_size (32) or max_new_tokens (99)"),
        (
            "anchors",
            {"anchor_max_new_tokens": 300},
            "Lower anchor_max_new_tokens (300) or max_prompt_length (none is set).",
        ),
        (
            "loading",
            {"dtype": "bfloat16"},
            "The base alone needs more than there is: take a smaller one, or a larger machine.",
        ),
    ],
)
def test_out_of_memory_says_what_to_lower_by_the_runs_own_numbers(
    phase: str, numbers: dict[str, Any], says: str
) -> None:
    assert says in boundary.reason_of(MemoryError(), phase=phase, asked=asked_for(**numbers))


def asked_for(**settings: Any) -> spec.RunSpec:
    base = spec.Base(location="base")
    return spec.RunSpec(
        method="kto",
        base=base,
        checkpoint_name="new",
        hyperparameters=spec.hyperparameters(settings),
        sampling=spec.Sampling(max_new_tokens=99),
    )


def test_a_status_that_cannot_be_written_is_told_in_the_log(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    place = make(method="kto", rows=[ROW])
    monkeypatch.setattr(rundir.RunDir, "write_status", full)
    assert boundary.run(folder=place.path) == 1
    assert "The disk is full" in capsys.readouterr().err
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def test_heartbeat_goes_on_while_the_main_thread_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "HEARTBEAT_SECONDS", 0.02)
    place = rundir.RunDir(path=tmp_path)
    with reporting.Reporter(place) as reporter:
        reporter.phase("loading")
        first = place.read_status()
        assert first is not None
        assert _is_beaten(place, after=first.updated_at)
        reporter.finish("succeeded")
        time.sleep(0.05)
    last = place.read_status()
    assert last is not None
    assert last.state == "succeeded"
    assert "heartbeat" not in {thread.name for thread in threading.enumerate()}


def _is_beaten(place: rundir.RunDir, *, after: float) -> bool:
    """Look for a minute at most."""
    for _ in range(3_000):
        status = place.read_status()
        if status is not None and status.updated_at > after:
            return True
        time.sleep(0.02)
    return False
