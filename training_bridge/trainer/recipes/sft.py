"""SFT on good answers alone, what training on rejections is compared with. The loss is in losses/sft.py.

The good answers are the accepted rows of a KTO dataset, or the corrected ones of a dataset of pairs.
"""

from __future__ import annotations

import torch

from training_bridge.trainer import errors, job, logprobs, loop, models
from training_bridge.trainer.losses import sft
from training_bridge.trainer.recipes import paired, training, unpaired


def run(job: job.Job) -> None:
    """SFT on the good answers."""

    def prepare(policy: models.Policy) -> training.Plan[unpaired.Row]:
        rows, watched = unpaired.divided(job=job, rows=read(job=job, policy=policy))
        return training.Plan(
            rows=rows,
            loss=lambda batch, step: loss(policy, batch, step),
            watched=watched,
            lengths=[len(row.item.ids) for row in rows],
        )

    training.run(job=job, prepare=prepare)


def read(*, job: job.Job, policy: models.Policy) -> list[unpaired.Row]:
    """The good answers of a dataset of either format, in order. Raises Refused where there is none."""
    if paired.is_first_row_a_pair(job=job):
        return paired.chosen_alone(job=job, policy=policy)
    rows = [row for row in unpaired.read(job=job, policy=policy) if row.is_accepted]
    if not rows:
        raise errors.Refused("sft learns from accepted answers, and no row of this dataset is accepted.")
    return rows


def loss(policy: models.Policy, rows: list[unpaired.Row], step: loop.Step[unpaired.Row]) -> loop.Loss:
    """The micro-batch's share of the mean of the rows' weighted losses, in nats per token."""
    batch = logprobs.collate([row.item for row in rows], device=policy.device)
    losses = sft.loss(logprobs=logprobs.of_tokens(policy, batch), real=batch.real)
    weights = torch.tensor([row.weight for row in rows], device=policy.device)
    value = (weights * losses).sum() / len(step.rows)
    return loop.Loss(value=value, tokens=sum(len(row.item.ids) for row in rows))
