"""One case of `cuda.py` with our trainer, in this process: KTO, NPO or D2O on a model that is built here."""

from __future__ import annotations

import importlib
import itertools
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

from tests.bench.trainer import cuda_rows, device, kto_ours, process, stopwatch
from training_bridge.formats import rundir, spec
from training_bridge.trainer import data, job, loop, models, reference, reporting
from training_bridge.trainer.recipes import d2o, kto, npo, unpaired


def main() -> None:
    importlib.import_module("training_bridge.trainer.engine")  # before the clock runs, as TRL is
    asked, answer = process.question()
    answer.write_text(json.dumps(device.answered(lambda: measured(asked))), encoding="utf-8")


def measured(asked: dict[str, Any]) -> dict[str, Any]:
    """Steady speed after `warm` steps, seconds of the reference, peak memory."""
    shape = cuda_rows.Model(**asked["model"])
    rows = cuda_rows.drawn(
        model=shape, lengths=cuda_rows.Lengths(**asked["lengths"]), count=asked["rows"], answers=asked["answers"]
    )
    with tempfile.TemporaryDirectory() as folder:
        work = job_of(asked, folder=Path(folder))
        policy = policy_of(shape, work.settings)
        watch = stopwatch.Stopwatch()
        made, loss = METHODS[asked["method"]](work, policy, rows)
        items = list({id(item): item for row in made for _, item in data.sequences(row)}.values())
        watch.timed("reference", reference.attach)(job=work, policy=policy, items=items)
        watch.timed("training", loop.train)(job=work, policy=policy, rows=made, loss=loss)
        ends = [event["elapsed"] for event in work.folder.read_events() if event["kind"] == "step"]
    warm, per_step = asked["warm"], work.settings.batch_size * work.settings.gradient_accumulation
    taken = kto_ours.in_order(len(rows), work.settings)[warm * per_step :]
    found = cuda_rows.measured(
        model=shape,
        rows=[rows[number] for number in taken],
        seconds=ends[-1] - ends[warm - 1],
        peak=device.peak(policy.device),
    )
    seconds = [round(after - before, 3) for before, after in itertools.pairwise(ends)]
    packed = {"way": policy.packing.way, "problem": policy.packing.problem}
    return {**found, **watch.facts(), "step_seconds": seconds, "packing": packed, **device.memory(policy.device)}


def job_of(asked: dict[str, Any], *, folder: Path) -> job.Job:
    """A run folder without a base on disk: nothing is read from it, and no cache of reference log-probs is kept."""
    place = rundir.RunDir(path=folder)
    values = {
        "method": asked["method"],
        "base": {"location": "built from a config"},
        "checkpoint_name": "bench",
        "hyperparameters": {
            "batch_size": asked["micro"],
            "gradient_accumulation": asked["step"] // asked["micro"],
            "max_steps": asked["rows"] // asked["step"],
            "learning_rate": 1e-6,
            "max_length": 2048,
            "lora_rank": asked["model"]["lora_rank"],
            "anchors": max(1, asked["answers"] - 1),
            "save_every": 0,
            "dtype": "bfloat16",
        },
    }
    spec.RunSpec.from_dict(values).write(place.spec)
    return job.Job(folder=place, spec=place.read_spec(), reporter=reporting.Reporter(place))


def policy_of(shape: cuda_rows.Model, settings: spec.Hyperparameters) -> models.Policy:
    """As the trainer would have loaded it: float32 weights where they are trained, bfloat16 under an adapter."""
    place = models.device_of(settings.device)
    policy = models.Policy(model=built(shape, place), tokenizer=None, device=place, dtype=torch.bfloat16)
    return models.with_lora(policy, settings=settings) if settings.lora_rank else policy


def built(shape: cuda_rows.Model, place: torch.device) -> Any:
    config = transformers.Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        tie_word_embeddings=shape.is_tied,
        max_position_embeddings=4096,
        eos_token_id=cuda_rows.END,
        bos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    with place:
        return transformers.AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.bfloat16 if shape.lora_rank else torch.float32
        )


Made = tuple[list[Any], Callable[[list[Any], loop.Step[Any]], loop.Loss]]


def encoded(row: dict[str, Any]) -> list[data.Encoded]:
    return [data.Encoded(ids=[*row["prompt"], *answer], prompt_length=len(row["prompt"])) for answer in row["answers"]]


def for_kto(work: job.Job, policy: models.Policy, rows: list[dict[str, Any]]) -> Made:
    """TRL's pairs: each row's prompt with the answer of the row before it in its step."""
    others = kto_ours.neighbours(len(rows), work.settings)
    items = [encoded(row)[0] for row in rows]
    made = []
    for row, item, other in zip(rows, items, others, strict=True):
        pair = data.Encoded(ids=[*row["prompt"], *rows[other]["answers"][0]], prompt_length=item.prompt_length)
        made.append(kto.Row(item=item, is_desirable=row["label"], mismatched=pair))
    return made, lambda batch, step: kto.loss(work, policy, batch, step)


def for_npo(work: job.Job, policy: models.Policy, rows: list[dict[str, Any]]) -> Made:
    """Rejected rows alone."""
    made = [unpaired.Row(item=encoded(row)[0], is_accepted=False) for row in rows]

    def loss(batch: list[unpaired.Row], step: loop.Step[unpaired.Row]) -> loop.Loss:
        return unpaired.loss(work.settings, policy, batch, step, rejection=npo.rejection, has_reference=True)

    return made, loss


def for_d2o(work: job.Job, policy: models.Policy, rows: list[dict[str, Any]]) -> Made:
    """Anchors are given: sampling them is another matter."""
    made = [d2o.Row(rejected=rejected, anchors=said) for rejected, *said in map(encoded, rows)]
    return made, lambda batch, step: d2o.loss(work, policy, batch, step)


METHODS: dict[str, Callable[[job.Job, models.Policy, list[dict[str, Any]]], Made]] = {
    "kto": for_kto,
    "npo": for_npo,
    "d2o": for_d2o,
}


if __name__ == "__main__":
    main()
