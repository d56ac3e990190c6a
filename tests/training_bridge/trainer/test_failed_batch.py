"""A step that diverged is written down whole, or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import toys
from training_bridge.formats import rundir
from training_bridge.trainer import data, failed_batch, job

Make = Callable[..., rundir.RunDir]
JobOf = Callable[[rundir.RunDir], job.Job]
TOKENIZER = toys.character_tokenizer()
FACTS = {"loss": math.nan, "grad_norm": math.inf, "learning_rate": 1e-3, "parts": {"kl": -math.inf, "nll": 2.5}}


@dataclass(frozen=True, kw_only=True)
class Row:
    rejected: data.Encoded
    anchors: list[data.Encoded]
    is_marked: bool
    weight: float = 1.0


def encoded(prompt: str, completion: str, **rest: Any) -> data.Encoded:
    ids = [TOKENIZER(each)["input_ids"] for each in (prompt, completion)]
    return data.Encoded(ids=ids[0] + ids[1], prompt_length=len(ids[0]), **rest)


def rows() -> list[list[Row]]:
    one = Row(
        rejected=encoded("1 + 1 = ", "3.", mask=[1.0, 0.0], reference=torch.tensor([-1.0, math.nan])),
        anchors=[encoded("1 + 1 = ", "2."), encoded("1 + 1 = ", "two")],
        is_marked=True,
        weight=0.5,
    )
    return [[one], [Row(rejected=encoded("क🙂", "ä"), anchors=[], is_marked=False)]]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_save_writes_every_sequence_of_every_row(make: Make, job_of: JobOf) -> None:
    place = make(method="d2o")
    found = failed_batch.save(job=job_of(place), tokenizer=TOKENIZER, step=7, batches=rows(), facts=FACTS)
    assert found == place.failed_batch
    lines = read(found / "rows.jsonl")
    assert [(each["micro_batch"], each["row"], each["part"], each["completion"]) for each in lines] == [
        (0, 0, "rejected", "3."),
        (0, 0, "anchors[0]", "2."),
        (0, 0, "anchors[1]", "two"),
        (1, 0, "rejected", "ä"),
    ]
    assert lines[0] == {
        "micro_batch": 0, "row": 0, "is_marked": True, "weight": 0.5, "part": "rejected", "prompt": "1 + 1 = ",
        "completion": "3.", "ids": rows()[0][0].rejected.ids, "prompt_length": 8, "mask": [1.0, 0.0],
        "reference": [-1.0, "nan"],
    }  # fmt: skip
    assert lines[3]["prompt"] == "क🙂"
    assert read(found / "step.json") == [
        {
            "step": 7, "loss": "nan", "grad_norm": "inf", "learning_rate": 1e-3,
            "parts": {"kl": "-inf", "nll": 2.5},
        }
    ]  # fmt: skip


def test_save_takes_rows_that_are_sequences_and_replaces_an_earlier_step(make: Make, job_of: JobOf) -> None:
    asked = job_of(make(method="pretrain"))
    for step in (1, 2):
        found = failed_batch.save(
            job=asked, tokenizer=TOKENIZER, step=step, batches=[[encoded("a", "b")] * step], facts=FACTS
        )
    assert [each["part"] for each in read(found / "rows.jsonl")] == ["", ""]
    assert read(found / "step.json")[0]["step"] == 2


def test_refusal_says_what_diverged_and_where_its_rows_are(make: Make, job_of: JobOf) -> None:
    place = make(method="d2o")
    said = failed_batch.refusal(job=job_of(place), tokenizer=TOKENIZER, step=7, batches=rows(), facts=FACTS)
    assert str(said) == (
        "The loss is not a number at step 7 (learning rate 0.001): training diverged. Lower learning_rate, add "
        "warmup_steps, or use dtype float32. Its rows are in failed-batch/rows.jsonl of the run folder."
    )
    gradient = failed_batch.refusal(
        job=job_of(place), tokenizer=TOKENIZER, step=7, batches=rows(), facts={**FACTS, "loss": 1.0}
    )
    assert str(gradient).startswith("The gradient is not a number at step 7")


@pytest.mark.parametrize("fails_at", ["json", "fsync"])
def test_a_batch_that_cannot_be_written_leaves_nothing_and_the_sentence_says_so(
    make: Make, job_of: JobOf, monkeypatch: pytest.MonkeyPatch, fails_at: str
) -> None:
    place = make(method="d2o")
    asked = job_of(place)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((failed_batch, "_json") if fails_at == "json" else (failed_batch.os, "fsync")), full)  # type: ignore[attr-defined]
    said = failed_batch.refusal(job=asked, tokenizer=TOKENIZER, step=7, batches=rows(), facts=FACTS)
    assert str(said).endswith("Its rows could not be saved: No space left on device.")
    assert not [path.name for path in place.path.iterdir() if path.name.startswith("failed-batch")]
