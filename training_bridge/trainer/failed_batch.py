"""What a step was made of when its loss was no number: for the person who looks for the row that did it.

`failed-batch/` of the run folder: rows.jsonl has a line for every sequence of the step, step.json the step's figures.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from training_bridge.trainer import data, errors, job, parallel


def refusal(
    *, job: job.Job, tokenizer: Any, step: int, batches: Sequence[Sequence[Any]], facts: Mapping[str, Any]
) -> errors.Refused:
    """Save the step (from 1) and say that it diverged. `facts` has loss, grad_norm and learning_rate at least.

    `batches` are this process's micro-batches; the first process writes those of all, so all must come here at once.
    """
    batches = [batch for theirs in parallel.gather_objects(list(batches)) for batch in theirs]
    what = "gradient" if math.isfinite(facts["loss"]) else "loss"
    try:
        if parallel.is_first():
            save(job=job, tokenizer=tokenizer, step=step, batches=batches, facts=facts)
        where = "Its rows are in failed-batch/rows.jsonl of the run folder."
    except OSError as error:
        where = f"Its rows could not be saved: {error.strerror}."
    return errors.Refused(
        f"The {what} is not a number at step {step} (learning rate {facts['learning_rate']:.2g}): training diverged. "
        f"Lower learning_rate, add warmup_steps, or use dtype float32. {where}"
    )


def save(
    *, job: job.Job, tokenizer: Any, step: int, batches: Sequence[Sequence[Any]], facts: Mapping[str, Any]
) -> Path:
    """Write failed-batch/ whole or not at all, in place of an earlier one. `batches` are the step's micro-batches.

    A row may be any dataclass: every data.Encoded in it is found, and written with the row's plain fields (a label, a
    weight). Raises OSError.
    """
    folder = job.folder.failed_batch
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir()
        with (unfinished / "rows.jsonl").open("w", encoding="utf-8") as file:
            for micro, batch in enumerate(batches):
                for number, row in enumerate(batch):
                    for line in _lines(row, tokenizer):
                        file.write(_json({"micro_batch": micro, "row": number, **line}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        (unfinished / "step.json").write_text(_json({"step": step, **facts}) + "\n", encoding="utf-8")
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return folder


def _lines(row: Any, tokenizer: Any) -> Iterator[dict[str, Any]]:
    plain = {} if isinstance(row, data.Encoded) else _plain(row)
    for place, item in data.sequences(row):
        yield {
            **plain,
            "part": place,
            "prompt": tokenizer.decode(item.ids[: item.prompt_length]),
            "completion": tokenizer.decode(item.ids[item.prompt_length :]),
            "ids": item.ids,
            "prompt_length": item.prompt_length,
            "mask": item.mask,
            "reference": None if item.reference is None else item.reference.tolist(),
        }


def _plain(row: Any) -> dict[str, Any]:
    if not dataclasses.is_dataclass(row):
        return {}
    found = {each.name: getattr(row, each.name) for each in dataclasses.fields(row)}
    return {name: value for name, value in found.items() if isinstance(value, bool | int | float | str)}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(_told(value), ensure_ascii=False, allow_nan=False)


def _told(value: Any) -> Any:
    """What is no number is what this file is about, and JSON has no word for it: "nan", "inf", "-inf"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _told(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    return value
