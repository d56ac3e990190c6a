"""BNF: rejected and accepted answers, unpaired, each token against the starting model. The loss is in losses/bnf.py."""

from __future__ import annotations

import torch

from training_bridge.formats import spec
from training_bridge.trainer import job, logprobs, loop, models, reference
from training_bridge.trainer.losses import bnf
from training_bridge.trainer.recipes import training, unpaired


def run(job: job.Job) -> None:
    """BNF on rejected and accepted rows, every one scored with the base once."""

    def prepare(policy: models.Policy) -> training.Plan[unpaired.Row]:
        rows, watched = unpaired.divided(job=job, rows=unpaired.read(job=job, policy=policy))
        unpaired.refuse_without_rejected(job=job, rows=rows)
        reference.attach(job=job, policy=policy, items=[row.item for row in rows])
        return training.Plan(
            rows=rows, loss=lambda batch, step: loss(job.settings, policy, batch, step), watched=watched
        )

    unpaired.refuse_means(job=job)
    training.run(job=job, prepare=prepare)


def loss(
    settings: spec.Hyperparameters, policy: models.Policy, rows: list[unpaired.Row], step: loop.Step[unpaired.Row]
) -> loop.Loss:
    """The micro-batch's share of the mean of the rows' weighted losses, plus that of the retain term. One forward pass.

    As in KTO the mean is over rows of both kinds. `pull_rejected` is what a penalised token still counts: 1 at the
    start, less once its odds are below the starting model's.
    """
    items = [row.item for row in rows]
    batch = logprobs.collate(items, device=policy.device)
    found, entropies = logprobs.with_entropy(policy, batch)
    is_accepted = torch.tensor([row.is_accepted for row in rows], device=policy.device)
    tokens = bnf.of_tokens(logprobs=found, entropies=entropies, references=logprobs.references(items, like=found))
    losses = bnf.loss(tokens=tokens, labels=torch.where(is_accepted, 1.0, -1.0), mask=batch.mask, real=batch.real)
    value = (torch.tensor([row.weight for row in rows], device=policy.device) * losses).sum() / len(step.rows)
    kept, parts = unpaired.likelihoods(found, batch.real, rows, step)
    return loop.Loss(
        value=value + settings.retain_weight * kept, parts=parts, tokens=sum(len(item.ids) for item in items)
    )
