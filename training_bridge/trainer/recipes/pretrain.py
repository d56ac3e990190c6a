"""Pretrain: a new model from a configuration, taught to complete prompts. For toy bases, such as the demo's."""

from __future__ import annotations

import dataclasses

from training_bridge.formats import rows
from training_bridge.trainer import data, errors, job, logprobs, loop, models, sampling, saving


def run(job: job.Job) -> None:
    """Draw weights from the seed, lower the negative log-likelihood of completion tokens, save, sample."""
    if job.folder.is_checkpoint_complete():
        sampling.run(job=job, policy=models.trained(job=job))
        return
    job.reporter.phase("loading")
    policy = models.fresh(asked=job.spec)
    items = _rows(job, policy)
    loop.train(
        job=job,
        policy=policy,
        rows=items,
        loss=lambda batch: _loss(policy, batch),
        lengths=[len(item.ids) for item in items],
    )
    saving.save(job=job, policy=policy)
    sampling.run(job=job, policy=policy)


def _rows(job: job.Job, policy: models.Policy) -> list[data.Encoded]:
    pairs = []
    for number, row in enumerate(rows.read_jsonl(job.folder.train_rows), start=1):
        if not isinstance(row.get("prompt"), (str, list)) or not isinstance(row.get("completion"), str):
            raise errors.Refused(f"data/train.jsonl, line {number}: expected a prompt and a completion.")
        pairs.append(data.Pair(prompt=row["prompt"], completion=row["completion"]))
    counts = data.Counts()
    encoded = data.encode(policy.tokenizer, pairs, max_length=job.settings.max_length, counts=counts)
    job.reporter.event("rows", **dataclasses.asdict(counts))
    items = [item for item in encoded if item is not None]
    if not items:
        raise errors.Refused("data/train.jsonl has no row that can be trained on.")
    return items


def _loss(policy: models.Policy, items: list[data.Encoded]) -> loop.Loss:
    """Mean negative log-likelihood per completion token of the batch, in nats."""
    batch = logprobs.collate(items, device=policy.device)
    found = logprobs.of_tokens(policy, batch)
    return loop.Loss(value=-found.sum() / batch.real.sum(), tokens=sum(len(item.ids) for item in items))
