"""Unlikelihood of marked tokens, likelihood of the others. The loss is in losses/unlikelihood.py."""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import unlikelihood
from training_bridge.trainer.recipes import unpaired


def run(job: job.Job) -> None:
    """Unlikelihood on rejected rows; accepted ones are the retain set."""
    unpaired.refuse_means(job=job)
    unpaired.run(job=job, rejection=rejection, has_reference=False)


def rejection(tokens: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The rejected answers' losses, (B,)."""
    return unlikelihood.loss(logprobs=tokens.logprobs, mask=tokens.mask, real=tokens.real)
