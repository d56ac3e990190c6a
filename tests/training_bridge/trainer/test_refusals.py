"""What a run refuses, each by the check that is there for it: without the check the sentence is never said."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import rundir
from training_bridge.trainer import boundary, data, exhaustion, failed_batch, fitting, guard, models, reading

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]


@dataclass(frozen=True, kw_only=True)
class Case:
    """`asked` is what the run folder is made of; `loses` files of the base; without `check` of `module` nothing says
    `says`, and where `runs` the run then succeeds.
    """

    says: str
    module: Any
    check: str
    instead: Callable[..., Any]
    asked: dict[str, Any]
    loses: tuple[str, ...] = ()
    runs: bool = False


ROWS = test_recipes.kto_rows()
REJECTED = test_recipes.kto_rows(accepted=False)
CHAT = [{"role": "user", "content": "1 + 1"}]
SPAN = {"start": 0, "end": 1, "severity": "minor"}


def nothing(*_: Any, **__: Any) -> None:
    return None


def no_limit(**_: Any) -> fitting.Limit:
    return fitting.Limit(asked=0, able=0, policy="refuse")


def exploding(*_: Any, **__: Any) -> Any:
    raise MemoryError


def full(*_: Any, **__: Any) -> Any:
    raise OSError(28, "No space left on device")


CASES = {
    "pickles": Case(
        says="only as a pickle", module=models, check="_check_weights", instead=nothing,
        asked={"method": "kto", "rows": ROWS}, loses=("model.safetensors",),
    ),
    "no tokenizer": Case(
        says="Put its tokenizer", module=models, check="tokenizer",
        instead=transformers.AutoTokenizer.from_pretrained,
        asked={"method": "kto", "rows": ROWS}, loses=("tokenizer.json", "tokenizer_config.json"),
    ),
    "no chat template": Case(
        says="no chat template", module=data, check="prompt_text",
        instead=lambda tokenizer, prompt: prompt if isinstance(prompt, str) else prompt[0]["content"],
        asked={"method": "kto", "rows": [{**row, "prompt": CHAT} for row in REJECTED]}, runs=True,
    ),
    "long rows": Case(
        says="12 of 12 rows are longer than 6 tokens, which is this run's max_length", module=fitting, check="of",
        instead=no_limit, asked={"method": "npo", "rows": REJECTED, "max_length": 6}, runs=True,
    ),
    "longer than the base": Case(
        says="max_length is 513, but the base can read 512 tokens", module=fitting, check="_able",
        instead=lambda _: 0, asked={"method": "npo", "rows": REJECTED, "max_length": 513}, runs=True,
    ),
    "all masked": Case(
        says="in 12 no token counts", module=data, check="span_mask",
        instead=lambda *_, length, **__: [1.0] * length,
        asked={"method": "npo", "rows": [{**row, "spans": [SPAN]} for row in REJECTED], "minor_weight": 0.0}, runs=True,
    ),
    "nothing to retain": Case(
        says="retain_weight holds accepted answers in place, and no row", module=reading,
        check="refuse_without_accepted", instead=nothing,
        asked={"method": "npo", "rows": REJECTED, "retain_weight": 1.0}, runs=True,
    ),
    "nothing to watch": Case(
        says="stop_below watches accepted answers, and no row", module=reading, check="refuse_without_accepted",
        instead=nothing, asked={"method": "npo", "rows": REJECTED, "stop_below": 1.0},
    ),
}  # fmt: skip


def folder(case: Case, make: Make, base: Path, tmp_path: Path) -> rundir.RunDir:
    copied = tmp_path / "base"
    shutil.copytree(base, copied)
    for name in case.loses:
        (copied / name).unlink()
    if "model.safetensors" in case.loses:
        (copied / "pytorch_model.bin").write_bytes(b"\x80\x04")
    return make(location=copied, **{"max_steps": 1, **case.asked})


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_run_is_refused_with_a_sentence(make: Make, launch: Launch, base: Path, tmp_path: Path, case: Case) -> None:
    place = folder(case, make, base, tmp_path)
    status = launch(place)
    assert status.state == "failed"
    assert case.says in status.reason
    assert not place.checkpoint.exists()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_without_its_check_the_sentence_is_not_said(
    make: Make, launch: Launch, base: Path, tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case.module, case.check, case.instead)
    status = launch(folder(case, make, base, tmp_path))
    assert case.says not in status.reason
    assert (status.state == "succeeded") is case.runs, status.reason


@pytest.mark.parametrize(
    ("error", "says", "module", "check"),
    [
        (exploding, "Out of memory while training", exhaustion, "is_out_of_memory"),
        (full, "The disk is full (while training)", boundary, "is_disk_full"),
    ],
)
def test_what_the_machine_lacks_is_recognised(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch, error: Any, says: str, module: Any, check: str
) -> None:
    monkeypatch.setattr("training_bridge.trainer.recipes.pretrain.loss", error)
    asked = {"method": "pretrain", "rows": [{"prompt": "1", "completion": "2"}] * 2}
    assert launch(make("known", **asked)).reason.startswith(says)
    monkeypatch.setattr(module, check, lambda _: False)
    assert launch(make("unknown", **asked)).reason.startswith("An unexpected error while training")


def test_a_full_disk_where_a_batch_should_be_saved_still_says_what_diverged(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_batch, "save", full)
    place = make(method="npo", rows=REJECTED, max_steps=1)
    monkeypatch.setattr("training_bridge.trainer.losses.npo.loss", lambda **of: of["ratios"] * float("nan"))
    reason = launch(place).reason
    assert reason.startswith("The loss is not a number at step 1")
    assert reason.endswith("Its rows could not be saved: No space left on device.")


def test_a_guard_without_anything_to_watch_is_refused(make: Make, job_of: Callable[..., Any]) -> None:
    asked = job_of(make(method="d2o", stop_below=1.0))
    with pytest.raises(Exception, match="stop_below needs answers to watch"):
        guard.of(job=asked, watched=None)
