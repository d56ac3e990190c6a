"""SimNPO."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import simnpo as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import npo, simnpo

ROWS = [
    ([-1.0, -3.0, -0.5], [1.0, 1.0, 1.0]),
    ([-2.0, -0.25, -7.0], [0.5, 2.0, 0.0]),
    ([-40.0, -90.0, -20.0], [0.0, 0.25, 0.25]),
    ([-1e-6, -1e-3, -1e-9], [1.0, 1.0, 0.5]),
]


def doubles(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@claim("simnpo")
def equals_the_formula() -> None:
    """Values and gradients are the paper's, |y| being the sum of the mask, also far from 0."""
    mask = doubles([weights for _, weights in ROWS])
    for beta, gamma in ((2.5, 0.0), (0.7, 2.1), (4.5, -1.0)):
        logprobs = doubles([spoken for spoken, _ in ROWS]).requires_grad_()
        losses = simnpo.loss(logprobs=logprobs, mask=mask, beta=beta, gamma=gamma)
        gradients = torch.autograd.grad(losses.sum(), logprobs)[0]
        for row, (spoken, weights) in enumerate(ROWS):
            asked = {"logprobs": spoken, "weights": weights}
            assert_close(losses[row], oracle.loss(**asked, beta=beta, gamma=gamma), within=1e-12)
            assert_close(gradients[row], oracle.gradient(**asked, beta=beta, gamma=gamma), within=1e-12)


@claim("simnpo")
def gamma_is_beta_times_that_of_the_code() -> None:
    """With gamma = beta gamma' it is the authors' code, which has gamma' within the bracket."""
    spoken = [-1.0, -3.0, -0.5]
    losses = simnpo.loss(logprobs=doubles([spoken]), mask=doubles([[1.0, 1.0, 1.0]]), beta=0.7, gamma=0.7 * 3.0)
    assert_close(losses, [oracle.loss_of_the_code(logprobs=spoken, beta=0.7, gamma=3.0)], within=1e-12)


@claim("simnpo")
def length_does_not_count() -> None:
    """An answer's tokens said twice, and padding, leave the loss as it is."""
    once = simnpo.loss(logprobs=doubles([[-1.0, -3.0]]), mask=doubles([[1.0, 0.5]]), beta=2.5)
    twice = simnpo.loss(
        logprobs=doubles([[-1.0, -3.0, -1.0, -3.0, 0.0]]), mask=doubles([[1.0, 0.5, 1.0, 0.5, 0.0]]), beta=2.5
    )
    assert_close(twice, once, within=1e-12)


@claim("simnpo")
def is_npo_of_the_mean() -> None:
    """With gamma left out it is NPO with the mean log-prob in the place of the log-ratio."""
    logprobs = doubles([spoken for spoken, _ in ROWS])
    mask = torch.ones_like(logprobs)
    ours = simnpo.loss(logprobs=logprobs, mask=mask, beta=2.5)
    assert_close(ours, npo.loss(ratios=logprobs.mean(1), beta=2.5), within=1e-12)


@claim("simnpo")
def no_weight_no_gradient() -> None:
    """A row whose weights are all 0 has a finite loss and no gradient."""
    logprobs = torch.tensor([[-1.0, -3.0]], requires_grad=True)
    losses = simnpo.loss(logprobs=logprobs, mask=torch.zeros(1, 2), beta=2.5)
    assert_close(losses, [0.8 * 0.6931471805599453], within=1e-6)
    assert_close(torch.autograd.grad(losses.sum(), logprobs)[0], [0.0, 0.0], within=0)
