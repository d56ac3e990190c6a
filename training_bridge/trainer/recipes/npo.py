"""NPO: rejected answers, each against the starting model. The loss is in losses/npo.py."""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import npo
from training_bridge.trainer.recipes import unpaired


def run(job: job.Job) -> None:
    """NPO on rejected rows; accepted ones are the retain set."""
    unpaired.run(job=job, rejection=rejection, has_reference=True)


def rejection(tokens: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The rejected answers' losses, (B,)."""
    return npo.loss(ratios=tokens.ratios(), beta=settings.beta)
