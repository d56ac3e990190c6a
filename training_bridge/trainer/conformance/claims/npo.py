"""NPO."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import npo as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import gradient_ascent, npo

RATIOS = [2.0, 0.0, -1.0, 0.125, -30.0, 45.0, 200.0, -200.0]


def found(ratios: list[float], *, beta: float, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Losses and gradients."""
    by = torch.tensor(ratios, dtype=dtype, requires_grad=True)
    losses = npo.loss(ratios=by, beta=beta)
    return losses, torch.autograd.grad(losses.sum(), by)[0]


@claim("npo")
def equals_the_formula() -> None:
    """Values and gradients are those of eq. 3, also at log-ratios of -200 and 200."""
    for beta in (0.1, 0.5, 5.0):
        losses, gradients = found(RATIOS, beta=beta)
        assert_close(losses, [oracle.loss(ratio=each, beta=beta) for each in RATIOS], within=1e-12)
        assert_close(gradients, [oracle.gradient(ratio=each, beta=beta) for each in RATIOS], within=1e-12)


@claim("npo")
def is_finite_in_float32() -> None:
    """In float32, at log-ratios of -200 and 200 and beta 5, values and gradients are the formula's to 1e-6."""
    losses, gradients = found(RATIOS, beta=5.0, dtype=torch.float32)
    assert_close(losses, [oracle.loss(ratio=each, beta=5.0) for each in RATIOS], within=1e-6)
    assert_close(gradients, [oracle.gradient(ratio=each, beta=5.0) for each in RATIOS], within=1e-6)


@claim("npo")
def weighs_gradient_ascent_by_twice_sigma() -> None:
    """By the tokens' log-probs the gradient is 2 sigma(beta r) times that of gradient ascent on their sum."""
    references = torch.tensor([[-1.0, -2.0, -0.5], [-3.0, -0.25, -1.0]], dtype=torch.float64)
    logprobs = torch.tensor([[-2.0, -1.0, -6.5], [-0.5, -0.125, -0.75]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[1.0, 0.5, 1.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    ratios = (mask * (logprobs - references)).sum(1)
    ours = torch.autograd.grad(npo.loss(ratios=ratios, beta=0.3).sum(), logprobs)[0]
    sums = gradient_ascent.loss(logprobs=logprobs, mask=mask) * mask.sum(1)
    ascent = torch.autograd.grad(sums.sum(), logprobs)[0]
    weights = torch.tensor([[2 * oracle.sigma(0.3 * ratio)] for ratio in ratios.tolist()], dtype=torch.float64)
    assert_close(ours, weights * ascent, within=1e-12)


@claim("npo")
def small_beta_is_gradient_ascent() -> None:
    """As beta tends to 0 the gradient by r tends to 1, and L - (2/beta) log 2 to r."""
    for beta in (1e-5, 1e-6):
        losses, gradients = found(RATIOS, beta=beta)
        assert_close(gradients, [1.0 for _ in RATIOS], within=beta * 200)
        start = oracle.loss(ratio=0.0, beta=beta)
        second = [ratio + beta * ratio**2 / 4 for ratio in RATIOS]
        assert_close(losses.detach() - start, second, within=1e-8)


@claim("npo")
def is_bounded_below_only() -> None:
    """L is at least 0 and at least 2 r, and comes within (2/beta) exp(-beta |r|) of the larger of the two."""
    losses, _ = found(RATIOS, beta=0.1)
    for ratio, each in zip(RATIOS, losses.tolist(), strict=True):
        gap = each - max(2 * ratio, 0.0)
        rounding = 1e-12 * max(each, 1)
        most = 20 * math.exp(-0.1 * abs(ratio))
        if not -rounding <= gap <= most + rounding:
            raise AssertionError(f"r = {ratio}: {gap:.12g} above the bound, 0 to {most:.12g} wanted")
