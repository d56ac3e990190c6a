"""SimNPO: NPO without a reference, by the mean log-prob. The loss is in losses/simnpo.py."""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import simnpo
from training_bridge.trainer.recipes import unpaired


def run(job: job.Job) -> None:
    """SimNPO on rejected rows; accepted ones are the retain set."""
    unpaired.run(job=job, rejection=rejection, has_reference=False)


def rejection(tokens: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The rejected answers' losses, (B,)."""
    return simnpo.loss(logprobs=tokens.logprobs, mask=tokens.mask, beta=settings.beta, gamma=settings.gamma)
