"""ORPO: the likelihood of corrected answers, and their odds over the rejected ones. The loss is in losses/orpo.py.

`beta` is the weight of the odds, as in TRL; the paper calls it lambda. The likelihood is each chosen answer's own mean
per token, so a short correction counts as much as a long one; TRL takes one mean over the tokens of the batch's chosen
answers with their prompts.
"""

from __future__ import annotations

from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import job
from training_bridge.trainer.losses import orpo
from training_bridge.trainer.recipes import paired, unpaired


def run(job: job.Job) -> None:
    """ORPO on pairs, without a reference."""
    paired.run(job=job, preference=preference, has_reference=False)


def preference(chosen: unpaired.Tokens, rejected: unpaired.Tokens, settings: spec.Hyperparameters) -> Tensor:
    """The pairs' losses, (B,)."""
    return orpo.loss(
        chosen=mean(chosen),
        rejected=mean(rejected),
        nll=-chosen.logprobs.sum(1) / chosen.real.sum(1),
        weight=settings.beta,
    )


def mean(tokens: unpaired.Tokens) -> Tensor:
    """Mean log-prob over the tokens that count, each as much as it weighs, (B,)."""
    return (tokens.logprobs * tokens.mask).sum(1) / tokens.mask.sum(1)
