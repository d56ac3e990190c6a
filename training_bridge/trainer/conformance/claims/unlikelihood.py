"""Unlikelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import unlikelihood as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import unlikelihood

PROBABILITIES = [0.5, 0.8, 1e-9, 0.999, 1 - 1e-5, 0.02, 0.3]
WEIGHTS = [0.0, 1.0, 0.5, 2.0, 1.0, 0.0, 0.25]


def found(logprobs: list[float], weights: list[float], *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """One row's loss and its gradient by the log-probs."""
    by = torch.tensor([logprobs], dtype=dtype, requires_grad=True)
    losses = unlikelihood.loss(logprobs=by, mask=torch.tensor([weights], dtype=dtype), real=torch.ones_like(by))
    return losses, torch.autograd.grad(losses.sum(), by)[0]


@claim("unlikelihood")
def equals_the_formula() -> None:
    """Values and gradients are -w log(1 - p) of wrong tokens and -log p of the others, over the completion's length."""
    losses, gradients = found([math.log(p) for p in PROBABILITIES], WEIGHTS)
    assert_close(losses, [oracle.loss(probabilities=PROBABILITIES, weights=WEIGHTS)], within=1e-10)
    assert_close(gradients, oracle.gradient(probabilities=PROBABILITIES, weights=WEIGHTS), within=1e-10)


@claim("unlikelihood")
def no_weight_is_likelihood() -> None:
    """Where nobody objects it is the mean NLL."""
    losses, gradients = found([-1.0, -3.0, -300.0], [0.0, 0.0, 0.0])
    assert_close(losses, [304 / 3], within=1e-12)
    assert_close(gradients, [-1 / 3] * 3, within=1e-12)


@claim("unlikelihood")
def padding_does_not_count() -> None:
    """Padding changes nothing, whatever stands there."""
    logprobs = torch.tensor([[-1.0, -0.5], [-1.0, -0.5]], dtype=torch.float64)
    mask = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    short = unlikelihood.loss(logprobs=logprobs, mask=mask, real=torch.ones_like(mask))
    ends = torch.tensor([[-9.0], [0.0]], dtype=torch.float64)
    weights = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    padded = unlikelihood.loss(
        logprobs=torch.cat([logprobs, ends], dim=1),
        mask=torch.cat([mask, weights], dim=1),
        real=torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64).expand(2, 3),
    )
    assert_close(padded, short, within=1e-12)


@claim("unlikelihood")
def certain_and_wrong_is_finite_and_pushed() -> None:
    """In float32, at p = 1 exactly, value and gradient are those of the tangent at the floor: finite, never 0."""
    losses, gradients = found([0.0], [1.0], dtype=torch.float32)
    value, slope = oracle.at_certainty(floor=unlikelihood.FLOOR)
    assert_close(losses, [value], within=1e-6)
    assert_close(gradients, [slope], within=1e-6)


@claim("unlikelihood")
def floor_leaves_the_rest_exact() -> None:
    """Below the floor, down to -log p = 2e-6, value and gradient are the formula's; at the floor they do not jump."""
    near = [-2e-6, -1e-5, -1e-4]
    for each in near:
        losses, gradients = found([each], [1.0])
        assert_close(losses, [-math.log(-math.expm1(each))], within=1e-12)
        assert_close(gradients, [math.exp(each) / -math.expm1(each)], within=1e-9)
    sides = [found([-unlikelihood.FLOOR * (1 + side)], [1.0]) for side in (1e-6, -1e-6)]
    assert_close(sides[0][0], sides[1][0], within=1e-5)
    assert_close(sides[0][1], sides[1][1], within=1e-5)


@claim("unlikelihood")
def rare_and_wrong_keeps_its_digits() -> None:
    """In float32, at p from 1e-3 to 1e-30, value and gradient are p within 1 in 1000: no cancellation in 1 - p."""
    for power in (3, 9, 20, 30):
        losses, gradients = found([-power * math.log(10)], [1.0], dtype=torch.float32)
        assert_close(losses.double() * 10.0**power, [1.0], within=2e-3)
        assert_close(gradients.double() * 10.0**power, [1.0], within=2e-3)


@claim("unlikelihood")
def push_on_a_logit_is_at_most_one() -> None:
    """By the wrong token's logit the gradient is p, and lies between 0 and 1 above the floor too."""
    for lead in (-20.0, 0.0, 5.0, 13.0, 16.0, 30.0):
        logits = torch.tensor([[lead, 0.0]], dtype=torch.float64, requires_grad=True)
        losses = unlikelihood.penalty(logprobs=logits.log_softmax(1)[:, 0])
        push = torch.autograd.grad(losses.sum(), logits)[0][0, 0].item()
        wanted = 1 / (1 + math.exp(-lead)) * min(1.0, math.exp(-lead) / math.expm1(unlikelihood.FLOOR))
        assert_close(push, wanted, within=2e-6)
