"""DPO: corrected answers against the rejected ones they correct. The loss is in losses/dpo.py."""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import dpo
from training_bridge.trainer.recipes import paired, unpaired


def run(job: job.Job) -> None:
    """DPO on pairs; the chosen answers are the retain set."""
    paired.run(job=job, preference=preference, has_reference=True)


def preference(chosen: unpaired.Tokens, rejected: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The pairs' losses, (B,)."""
    return dpo.loss(chosen=chosen.ratios(), rejected=rejected.ratios(), beta=settings.beta)
