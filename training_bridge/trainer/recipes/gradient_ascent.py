"""Gradient ascent: what the bounded methods are measured against. The loss is in losses/gradient_ascent.py."""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import gradient_ascent
from training_bridge.trainer.recipes import unpaired


def run(job: job.Job) -> None:
    """Gradient ascent on rejected rows; accepted ones are the retain set. Without a retain term it collapses."""
    unpaired.run(job=job, rejection=rejection, has_reference=False)


def rejection(tokens: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The rejected answers' losses, (B,)."""
    return gradient_ascent.loss(logprobs=tokens.logprobs, mask=tokens.mask)
