"""D2O: rejected answers against anchors that the starting model says by itself. The loss is in losses/d2o.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training_bridge.trainer import (
    anchors,
    data,
    job,
    logprobs,
    loop,
    models,
    probe,
    reading,
    reference,
    sampling,
    saving,
    weighing,
)
from training_bridge.trainer.losses import d2o


@dataclass(frozen=True, kw_only=True)
class Row:
    """A rejected answer and the K anchors of its prompt."""

    rejected: data.Encoded
    anchors: list[data.Encoded]
    weight: float = 1.0


def run(job: job.Job) -> None:
    """Load the base, let it sample anchors, score everything with it once, lower the D2O loss, save, sample."""
    if job.folder.is_checkpoint_complete():
        sampling.run_trained(job=job)
        return
    job.reporter.phase("loading")
    policy = models.for_training(asked=job.spec)
    usable = _usable(job, policy)
    rejected: dict[str, set[str]] = {}
    for row, _ in usable:
        rejected.setdefault(anchors.key_of(row["prompt"]), set()).add(row["rejected"])
    sampled = anchors.sample(job=job, policy=policy, rejected=rejected)

    rows = _rows(job, policy, usable, sampled)
    said = {id(each): each for row in rows for each in row.anchors}
    reference.attach(job=job, policy=policy, items=[row.rejected for row in rows] + list(said.values()))

    taken = loop.train(
        job=job,
        policy=policy,
        rows=rows,
        loss=lambda batch, step: loss(job, policy, batch, step),
        watched=probe.of(items=list(said.values()), job=job),
    )
    saving.save(job=job, policy=policy, steps_taken=taken)
    sampling.run(job=job, policy=policy)


def loss(job: job.Job, policy: models.Policy, rows: list[Row], step: loop.Step[Row]) -> loop.Loss:
    """The micro-batch's share of the mean D2O loss, plus that of the retain term on its anchors; one forward pass."""
    settings = job.settings
    items = [row.rejected for row in rows] + [each for row in rows for each in row.anchors]
    ratios, nll = logprobs.ratios(policy, items)
    rejected, said = ratios[: len(rows)], ratios[len(rows) :].view(len(rows), -1)
    losses = d2o.loss(anchors=said, rejected=rejected, alpha=settings.alpha, beta=settings.beta)
    count = len(step.rows)
    kept = nll[len(rows) :].sum() / (count * said.shape[1])
    value = (torch.tensor([row.weight for row in rows], device=policy.device) * losses).sum() / count
    if settings.retain_weight:
        value = value + settings.retain_weight * kept
    parts = {
        "reward_anchors": settings.beta * said.detach().mean(1).sum() / count,
        "reward_rejected": settings.alpha * rejected.detach().sum() / count,
        "nll_anchors": kept.detach(),
    }
    return loop.Loss(value=value, parts=parts, tokens=sum(len(item.ids) for item in items))


def _usable(job: job.Job, policy: models.Policy) -> list[tuple[dict[str, Any], data.Encoded]]:
    """Rows with their encoded rejected answer, less those that could not be used."""
    read = reading.train_rows(job=job, text="rejected")
    pairs = [
        data.Pair(
            prompt=row["prompt"],
            completion=row["rejected"],
            spans=(row.get("spans") or ()) if job.settings.span_mask else (),
            severity=row.get("severity") or "",
        )
        for row in read
    ]
    encoded = data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs)
    return [(row, item) for row, item in zip(read, encoded, strict=True) if item is not None]


def _rows(
    job: job.Job,
    policy: models.Policy,
    usable: Sequence[tuple[dict[str, Any], data.Encoded]],
    sampled: Mapping[str, list[anchors.Anchor]],
) -> list[Row]:
    """The anchors of a prompt are encoded once and shared by its rows; a row that lost an anchor is left out."""
    prompts = {anchors.key_of(row["prompt"]): row["prompt"] for row, _ in usable}
    answers = [
        data.Pair(prompt=prompt, completion=each["text"], ended=each["ended"])
        for key, prompt in prompts.items()
        for each in sampled[key]
    ]
    said = iter(data.encode(job=job, tokenizer=policy.tokenizer, pairs=answers, event="anchor_rows"))
    by_prompt = {key: [item for item in (next(said) for _ in sampled[key]) if item is not None] for key in prompts}
    weights = weighing.of_rows([row for row, _ in usable], how=job.settings.row_weights)
    rows = [
        Row(rejected=item, anchors=by_prompt[anchors.key_of(row["prompt"])], weight=weight)
        for (row, item), weight in zip(usable, weights, strict=True)
    ]
    return [row for row in rows if len(row.anchors) == job.settings.anchors]
