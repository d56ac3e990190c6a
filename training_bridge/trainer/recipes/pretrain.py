"""Pretrain: a new model from a configuration, taught to complete prompts. For toy bases, such as the demo's."""

from __future__ import annotations

from training_bridge.trainer import data, job, logprobs, loop, models, reading
from training_bridge.trainer.recipes import training


def run(job: job.Job) -> None:
    """Draw weights from the seed, lower the negative log-likelihood of completion tokens, save, sample."""

    def prepare(policy: models.Policy) -> training.Plan[data.Encoded]:
        read = reading.train_rows(job=job, text="completion")
        pairs = [data.Pair(prompt=row["prompt"], completion=row["completion"]) for row in read]
        items = [item for item in data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs) if item is not None]
        return training.Plan(
            rows=items, loss=lambda batch, step: loss(policy, batch, step), lengths=[len(item.ids) for item in items]
        )

    training.run(job=job, prepare=prepare, load=models.fresh)


def loss(policy: models.Policy, items: list[data.Encoded], step: loop.Step[data.Encoded]) -> loop.Loss:
    """The micro-batch's share of the mean negative log-likelihood per completion token, in nats."""
    batch = logprobs.collate(items, device=policy.device)
    found = logprobs.of_tokens(policy, batch)
    tokens = sum(item.length for item in step.rows)
    return loop.Loss(value=-found.sum() / tokens, tokens=sum(len(item.ids) for item in items))
