"""The demo's starting point: a small model trained from scratch, and its first answers. Cached by what makes it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings

from annotate import errors
from training_bridge.demo import model_files, sizes, world, writing
from training_bridge.formats import manifest, rundir, spec
from training_bridge.runs import outcome
from training_bridge.runs.launchers import process

POLL_SECONDS = 0.3
FINISHED = "finished.json"

Watch = Callable[[rundir.Status], None]


class TrainerFailed(errors.OutsideError):
    """The trainer did not bring the base model home. The message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Base:
    """A trained model's folder, and files of its answers to held-in and held-out prompts."""

    checkpoint: Path
    held_in: Path
    held_out: Path
    was_cached: bool


def prepare(*, seed: int, size: sizes.DemoSize, name: str, watch: Watch) -> Base:
    """Return the base model, training it unless the same one is in the cache. Raises TrainerFailed.

    Interrupted, it goes on from the trainer's last saved step.
    """
    folder = (Path(settings.HOME) / "demo-cache" / _key(seed=seed, size=size, name=name)).resolve()
    place = rundir.RunDir(path=folder / "run")
    base = Base(
        checkpoint=place.checkpoint,
        held_in=folder / "held-in.jsonl",
        held_out=folder / "held-out.jsonl",
        was_cached=(folder / FINISHED).exists(),
    )
    if not base.was_cached:
        _fill(folder=folder, place=place, seed=seed, size=size, name=name)
        _train(place, watch)
        _split(place.outputs, base)
        manifest.write_atomically(folder / FINISHED, json.dumps({"name": name, "seed": seed}) + "\n")
    return base


def _key(*, seed: int, size: sizes.DemoSize, name: str) -> str:
    """Hash everything that the model and its answers depend on, the code that writes its world included."""
    facts = dataclasses.asdict(size)
    for later in ("judged", "d2o", "kto"):
        del facts[later]
    sources = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (world, writing, model_files)]
    text = json.dumps([seed, name, {**facts, "pretrain": dict(size.pretrain)}, sources], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fill(*, folder: Path, place: rundir.RunDir, seed: int, size: sizes.DemoSize, name: str) -> None:
    """Write the run folder that `python -m training_bridge.trainer` reads; the same bytes every time."""
    place.data.mkdir(parents=True, exist_ok=True)
    model_files.write(folder=folder / "start", shape=size.shape)
    rng = random.Random(f"planted {seed}")
    lessons = islice(world.problems(world.PRETRAIN, seed=seed), size.pretrain_rows)
    _write_rows(
        place.train_rows,
        ({"prompt": each.prompt, "completion": writing.write(each, rng, size.rates)} for each in lessons),
    )
    asked = [
        *islice(world.problems(world.HELD_IN, seed=seed), size.held_in),
        *islice(world.problems(world.HELD_OUT, seed=seed), size.held_out),
    ]
    _write_rows(place.prompts, ({"id": str(number), "prompt": each.prompt} for number, each in enumerate(asked)))
    spec.RunSpec(
        method="pretrain",
        base=spec.Base(location=str(folder / "start")),
        checkpoint_name=name,
        hyperparameters=spec.hyperparameters({**size.pretrain, "seed": seed, "device": "cpu"}),
        sampling=spec.Sampling(temperature=size.temperature, max_new_tokens=size.max_new_tokens, seed=seed),
    ).write(place.spec)


def _train(place: rundir.RunDir, watch: Watch) -> None:
    """Start the trainer, or watch the one that an earlier demo left running, until it ends.

    The trainer is asked to stop when this process is.
    """
    place.cancel.unlink(missing_ok=True)
    try:
        if not process.is_running(folder=place):
            process.launch(folder=place, attempt=time.time_ns())
        while process.is_running(folder=place):
            _tell(place, watch)
            time.sleep(POLL_SECONDS)
    except BaseException:
        place.cancel.touch()
        raise
    status = place.read_status()
    if status is None or status.state != "succeeded":
        said = status.reason if status else ""
        last = outcome.last_lines(place.stderr)
        raise TrainerFailed(f"The base model could not be trained. {said or last} See {place.path}.")


def _tell(place: rundir.RunDir, watch: Watch) -> None:
    watch(place.read_status() or rundir.Status(state="running", phase="starting"))


def _split(outputs: Path, base: Base) -> None:
    """Put the answers to held-out prompts into a file of their own: they are judged, never trained on."""
    answers: dict[str, list[dict[str, Any]]] = {world.HELD_IN: [], world.HELD_OUT: []}
    with outputs.open(encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            answers[world.pool_of(answer["prompt"])].append(answer)
    _write_rows(base.held_in, answers[world.HELD_IN])
    _write_rows(base.held_out, answers[world.HELD_OUT])


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    manifest.write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
