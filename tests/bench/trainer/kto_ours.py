"""One KTO run of our trainer, from its run folder to its checkpoint, in this process: started by `kto.py`.

The recipe runs as it always does, with one thing exchanged: which rows are paired for z, so that they are TRL's.
"""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

from tests.bench.trainer import process, stopwatch
from training_bridge.formats import rundir, spec
from training_bridge.trainer import boundary, data, loop, models, order, probe, reference
from training_bridge.trainer.recipes import kto


def main() -> None:
    importlib.import_module("training_bridge.trainer.engine")  # before the clock runs, as TRL is
    asked, answer = process.question()
    answer.write_text(json.dumps(measured(asked)), encoding="utf-8")


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Seconds by part, losses, marks of the rows and memory; `problem` where the run did not succeed."""
    place = prepared(asked)
    watch = stopwatch.Stopwatch()
    seen: dict[int, Any] = {}
    loaded: list[float] = []
    settings = place.read_spec().hyperparameters
    train = loop.train

    def noted(**given: Any) -> int:
        loss = given.pop("loss")

        def noting(batch: Any, step: Any) -> loop.Loss:
            seen[step.number] = step.rows
            found: loop.Loss = loss(batch, step)
            return found

        return train(**given, loss=noting)

    def load(**given: Any) -> models.Policy:
        policy = for_training(**given)
        loaded.append(process.peak_mib())
        return policy

    for_training = models.for_training
    models.for_training = watch.timed("loading", load)
    data.encode = watch.timed("encoding", data.encode)
    reference.attach = watch.timed("reference", reference.attach)
    loop.train = watch.timed("training", noted)
    probe.Probe.begin = watch.timed("looks", probe.Probe.begin)  # type: ignore[method-assign]
    probe.Probe.look = watch.timed("looks", probe.Probe.look)  # type: ignore[method-assign]
    kto.partners = lambda prompts, *, seed: list(neighbours(len(prompts), settings))
    code = boundary.run(folder=place.path)
    peak = process.peak_mib()
    if code:
        status = place.read_status()
        return {"problem": status.reason if status else "no status"}
    losses = [event["loss"] for event in place.read_events() if event["kind"] == "step"]
    rows = [row for number in sorted(seen) for row in seen[number]]
    return {
        **watch.facts(),
        "losses": losses,
        "marks": [stopwatch.mark_of(_facts(row) for row in seen[number]) for number in sorted(seen)],
        "tokens": sum(len(row.item.ids) for row in rows),
        "lengths": [len(row.item.ids) for row in rows],
        "answers": sum(row.item.length for row in rows),
        "loaded_mib": loaded[0],
        "peak_mib": peak,
    }


def _facts(row: kto.Row) -> tuple[list[int], list[int], bool]:
    return row.item.ids, row.mismatched.ids if row.mismatched else [], row.is_desirable


def prepared(asked: dict[str, Any]) -> rundir.RunDir:
    """A new run folder for these rows; others beside it share its cache of reference log-probs."""
    place = rundir.RunDir(path=Path(asked["run"]))
    place.data.mkdir(parents=True)
    shutil.copy(asked["rows"], place.train_rows)
    values = {
        "method": "kto",
        "base": {"location": asked["base"]},
        "checkpoint_name": place.path.name,
        "hyperparameters": asked["hyperparameters"],
    }
    spec.RunSpec.from_dict(values).write(place.spec)
    return place


def neighbours(count: int, settings: spec.Hyperparameters) -> list[int]:
    """TRL's rule: within a step's rows each is paired with the answer of the one before it, the first with the last's.

    >>> one_step = spec.Hyperparameters(batch_size=4)
    >>> found, taken = neighbours(4, one_step), in_order(4, one_step)
    >>> [found[row] for row in taken] == [taken[-1], *taken[:-1]]
    True
    """
    found = list(range(count))
    taken = in_order(count, settings)
    size = settings.batch_size * settings.gradient_accumulation
    for at in range(0, len(taken), size):
        step = taken[at : at + size]
        for place, row in enumerate(step):
            found[row] = step[place - 1]
    return found


def in_order(count: int, settings: spec.Hyperparameters) -> list[int]:
    """The row numbers of the run's first epoch as the loop takes them."""
    batches = order.Order(count=count, batch_size=settings.batch_size, seed=settings.seed)
    return [row for index in range(batches.per_epoch) for row in batches.batch(index)]


if __name__ == "__main__":
    main()
