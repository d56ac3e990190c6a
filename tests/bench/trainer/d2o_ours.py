"""One D2O training, with shared prompts or without, in this process: started by `d2o.py`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from tests.bench.trainer import process, stopwatch
from training_bridge.formats import rundir, spec
from training_bridge.trainer import data, job, loop, models, packing, reference, reporting
from training_bridge.trainer.recipes import d2o

BATCH = 2
NEVER = 2**31


def main() -> None:
    importlib.import_module("training_bridge.trainer.engine")  # before the clock runs, as TRL is
    asked, answer = process.question()
    answer.write_text(json.dumps(measured(asked)), encoding="utf-8")


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Reference and training of all rows once, in steps of BATCH; anchors are given, for sampling is another matter."""
    if asked["way"] == "unshared":
        packing.SHARED_FROM = NEVER
    place = rundir.RunDir(path=Path(asked["run"]))  # alone in its folder: no other run's cache of the reference
    place.path.mkdir(parents=True)
    rows = [as_row(each) for each in asked["rows"]]
    values = {
        "method": "d2o",
        "base": {"location": asked["base"]},
        "checkpoint_name": "bench",
        "hyperparameters": {
            "batch_size": BATCH,
            "max_steps": len(rows) // BATCH,
            "max_length": 2048,
            "learning_rate": 1e-4,
            "anchors": len(rows[0].anchors),
            "save_every": 0,
            "device": "cpu",
        },
    }
    spec.RunSpec.from_dict(values).write(place.spec)
    work = job.Job(folder=place, spec=place.read_spec(), reporter=reporting.Reporter(place))
    policy = models.for_training(asked=work.spec)
    if policy.packing.problem:
        return {"problem": f"batches are not packed: {policy.packing.problem}"}
    loaded = process.peak_mib()
    watch = stopwatch.Stopwatch()
    items = [item for row in rows for item in (row.rejected, *row.anchors)]
    watch.timed("reference", reference.attach)(job=work, policy=policy, items=items)
    watch.timed("training", loop.train)(
        job=work, policy=policy, rows=rows, loss=lambda batch, step: d2o.loss(work, policy, batch, step)
    )
    return {
        **watch.facts(),
        "rows": len(rows),
        "line_tokens": sum(packing.tokens([row.rejected, *row.anchors]) for row in rows),
        "losses": [event["loss"] for event in place.read_events() if event["kind"] == "step"],
        "loaded_mib": loaded,
        "peak_mib": process.peak_mib(),
    }


def as_row(row: dict[str, list[Any]]) -> d2o.Row:
    """A prompt's token ids with those of its rejected answer and of its anchors."""
    rejected, *said = (
        data.Encoded(ids=[*row["prompt"], *answer], prompt_length=len(row["prompt"])) for answer in row["answers"]
    )
    return d2o.Row(rejected=rejected, anchors=said)


if __name__ == "__main__":
    main()
