"""Completions of a checkpoint for every prompt of data/prompts.jsonl, as records that the import door accepts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training_bridge.formats import rows, spec
from training_bridge.trainer import data, drawing, errors, generation, job, models, reading


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Sample `sample` of the prompt on line `number` (both from 0)."""

    number: int
    sample: int
    prompt: rows.PromptValue
    prompt_id: str | None
    ids: list[int]


def run(*, job: job.Job, policy: models.Policy) -> None:
    """Write outputs.jsonl; whole when it has its name. Does nothing without a `sampling` part or when it is there.

    Batches already drawn before an interruption are kept: each batch has its own seed, so a resumed run writes the
    same file. Empty completions are left out (an output must have text) and counted in the `sampled` event.
    """
    settings = job.spec.sampling
    if settings is None or job.folder.outputs.exists():
        return
    draws = _draws(job, policy, settings)
    job.reporter.phase("sampling", total_steps=len(draws))
    done = _already_drawn(job)
    missing = [
        (at, batch)
        for at, batch in _batches(draws, settings)
        if any((draw.number, draw.sample) not in done for draw in batch)
    ]
    started, tokens = time.perf_counter(), 0
    drawn = sum(len(batch) for _, batch in missing)
    job.reporter.progress(len(draws) - drawn)
    for records in _drawn(job, policy, settings, missing):
        _append(job, records)
        done |= {(record["n"], record["sample"]): record for record in records}
        tokens += sum(record["tokens"] for record in records)
        job.reporter.progress(len(done))
    seconds = max(time.perf_counter() - started, 1e-9)
    empty = _finish(job, settings, draws, done)
    job.reporter.event(
        "sampled",
        outputs=len(draws) - empty,
        empty=empty,
        cut_off=sum(not record["ended"] for record in done.values()),
        outputs_per_second=round(drawn / seconds, 1),
        tokens_per_second=round(tokens / seconds, 1),
    )


def run_trained(*, job: job.Job) -> None:
    """Sample from the checkpoint that an earlier launch of this folder finished, if outputs are still wanted."""
    if job.spec.sampling is None or job.folder.outputs.exists():
        return
    job.reporter.phase("loading")
    run(job=job, policy=models.trained(job=job))


def _draws(job: job.Job, policy: models.Policy, settings: spec.Sampling) -> list[_Draw]:
    """All draws, those with prompts of like length together (less padding); the order depends on the prompts only."""
    try:
        prompts = list(rows.read_jsonl(job.folder.prompts))
    except FileNotFoundError as error:
        raise errors.Refused("Sampling needs data/prompts.jsonl, and it is not in the run folder.") from error
    except ValueError as error:
        raise errors.Refused(f"data/{error}.") from error
    found = []
    for number, row in enumerate(prompts):
        prompt: Any = row.get("prompt")
        if not reading.is_prompt(prompt):
            raise errors.Refused(
                f"data/prompts.jsonl, line {number + 1}: prompt is missing, empty or of the wrong type."
            )
        ids = data.prompt_ids(policy.tokenizer, prompt, at_most=job.settings.max_prompt_length)
        if not ids:
            raise errors.Refused(f"data/prompts.jsonl, line {number + 1}: the tokenizer makes no token of this prompt.")
        name = row.get("id")
        found += [
            _Draw(number=number, sample=sample, prompt=prompt, prompt_id=None if name is None else str(name), ids=ids)
            for sample in range(settings.per_prompt)
        ]
    if not found:
        raise errors.Refused("data/prompts.jsonl has no prompts to sample from.")
    return sorted(found, key=lambda draw: (len(draw.ids), draw.number, draw.sample))


def _batches(draws: list[_Draw], settings: spec.Sampling) -> Iterator[tuple[int, list[_Draw]]]:
    size = drawing.VLLM_AT_ONCE if settings.engine == "vllm" else settings.batch_size
    for at in range(0, len(draws), size):
        yield at, draws[at : at + size]


def _drawn(
    job: job.Job, policy: models.Policy, settings: spec.Sampling, missing: list[tuple[int, list[_Draw]]]
) -> Iterator[list[dict[str, Any]]]:
    """The records of each missing batch. The engine is opened only where there is one: vLLM takes a minute to start."""
    if not missing:
        return
    longest = max(len(draw.ids) for _, batch in missing for draw in batch)
    engine = drawing.opened(engine=settings.engine, job=job, policy=policy, tokens=longest + settings.max_new_tokens)
    with engine as complete:
        for at, batch in missing:
            yield _records(job, complete, settings, batch, seed=f"{settings.seed}/{at}")


def _records(
    job: job.Job, complete: drawing.Complete, settings: spec.Sampling, batch: list[_Draw], *, seed: str
) -> list[dict[str, Any]]:
    drawn = complete(
        prompts=[draw.ids for draw in batch],
        settings=generation.Settings(
            temperature=settings.temperature, top_p=settings.top_p, max_new_tokens=settings.max_new_tokens
        ),
        seed=seed,
        check=job.reporter.check,
    )
    return [
        {"n": draw.number, "sample": draw.sample, "text": each.text, "ended": each.ended, "tokens": each.tokens}
        for draw, each in zip(batch, drawn, strict=True)
    ]


def _append(job: job.Job, records: list[dict[str, Any]]) -> None:
    with job.folder.outputs_unfinished.open("a", encoding="utf-8") as file:
        file.write(json.dumps(records) + "\n")


def _already_drawn(job: job.Job) -> dict[tuple[int, int], dict[str, Any]]:
    """Records of whole batches from before an interruption; a torn last line is cut off."""
    path = job.folder.outputs_unfinished
    if not path.exists():
        return {}
    whole = [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
    path.write_text("".join(whole), encoding="utf-8")
    return {(record["n"], record["sample"]): record for line in whole for record in json.loads(line)}


def _finish(
    job: job.Job, settings: spec.Sampling, draws: list[_Draw], done: dict[tuple[int, int], dict[str, Any]]
) -> int:
    """Write outputs.jsonl in the order of the prompts and return how many completions were empty."""
    name = job.spec.checkpoint_name
    temporary = job.folder.outputs.with_suffix(".jsonl.tmp")
    empty = 0
    with temporary.open("w", encoding="utf-8") as file:
        for draw in sorted(draws, key=lambda each: (each.number, each.sample)):
            record = done[draw.number, draw.sample]
            if not record["text"].strip():
                empty += 1
                continue
            output = {
                "id": f"{name}/{draw.number}-{draw.sample}",
                "prompt": draw.prompt,
                "output": record["text"],
                "model": name,
                "meta": {
                    "prompt_id": draw.prompt_id,
                    "sample": draw.sample,
                    "temperature": settings.temperature,
                    "top_p": settings.top_p,
                    "seed": settings.seed,
                    "engine": settings.engine,
                    "tokens": record["tokens"],
                    "ended": record["ended"],
                },
            }
            file.write(json.dumps(output, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(job.folder.outputs)
    job.folder.outputs_unfinished.unlink(missing_ok=True)
    return empty
