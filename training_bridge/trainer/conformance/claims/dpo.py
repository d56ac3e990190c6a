"""DPO."""

from __future__ import annotations

import math

import torch

from training_bridge.trainer.conformance.oracles import dpo as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import dpo

PAIRS = [(1.0, -2.0), (-0.5, 0.25), (-30.0, 25.0), (40.0, 12.0)]


@claim("dpo")
def equals_the_formula() -> None:
    """Values and gradients are those of eq. 7, also far from 0."""
    pairs = torch.tensor(PAIRS, dtype=torch.float64, requires_grad=True)
    found = dpo.loss(chosen=pairs[:, 0], rejected=pairs[:, 1], beta=0.3)
    (gradients,) = torch.autograd.grad(found.sum(), pairs)
    for row, (chosen, rejected) in enumerate(PAIRS):
        assert_close(found[row], oracle.loss(chosen=chosen, rejected=rejected, beta=0.3), within=1e-12)
        assert_close(gradients[row], oracle.gradient(chosen=chosen, rejected=rejected, beta=0.3), within=1e-12)


@claim("dpo")
def starts_at_log_2() -> None:
    """Where the policy is the reference: log 2, chosen up and rejected down by beta/2 each."""
    pairs = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    found = dpo.loss(chosen=pairs[:, 0], rejected=pairs[:, 1], beta=0.1)
    (gradients,) = torch.autograd.grad(found.sum(), pairs)
    assert_close(found, math.log(2), within=1e-12)
    assert_close(gradients, [-0.05, 0.05], within=1e-12)


@claim("dpo")
def stays_finite_in_float32() -> None:
    """A pair that is wrong by 20,000 nats costs beta times that, in float32, and pulls with beta."""
    pairs = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    found = dpo.loss(chosen=pairs[:, 0], rejected=pairs[:, 1], beta=0.1)
    (gradients,) = torch.autograd.grad(found.sum(), pairs)
    assert_close(found, 2000.0, within=1e-6)
    assert_close(gradients, [-0.1, 0.1], within=1e-6)
