"""CUT."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import cut as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import cut, unlikelihood

# The paper's figure 2: "a former American football player </s>", criticised for the missing capital.
SAID = [0.03, 0.94, 0.93, 0.99, 0.03, 0.85]
TOLD = [0.82, 0.94, 0.76, 0.99, 0.02, 0.89]
ROWS = [(SAID, TOLD), ([0.5, 1e-6, 0.2, 0.9, 1e-30, 0.1], [0.9, 1e-4, 0.1, 0.999, 1e-25, 0.115])]
SETTINGS = [(1.1, 1.0, 0.0), (1.2, 0.25, 1.0), (1.1, 0.5, 2.0)]


def logs(rows: list[list[float]], *, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor([[math.log(p) for p in row] for row in rows], dtype=dtype)


@claim("cut")
def equals_the_formula() -> None:
    """Values and gradients are those of eq. 5-6."""
    for threshold, alpha, gamma in SETTINGS:
        asked = {"threshold": threshold, "alpha": alpha, "gamma": gamma}
        logprobs, told = logs([row[0] for row in ROWS]).requires_grad_(), logs([row[1] for row in ROWS])
        losses = cut.loss(logprobs=logprobs, with_critique=told, real=torch.ones_like(told), **asked)
        gradients = torch.autograd.grad(losses.sum(), logprobs)[0]
        for row, (said, critical) in enumerate(ROWS):
            assert_close(losses[row], oracle.loss(said=said, told=critical, **asked), within=1e-12)
            assert_close(gradients[row], oracle.gradient(said=said, told=critical, **asked), within=1e-12)


@claim("cut")
def what_the_critique_makes_likelier_is_wrong() -> None:
    """In the paper's example, figure 2, the token that the critique is about is the wrong one, and no other."""
    found = cut.wrong_tokens(logprobs=logs([SAID]), with_critique=logs([TOLD]), threshold=1.1)
    assert_close(found, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], within=0)


@claim("cut")
def a_higher_threshold_finds_fewer() -> None:
    """The threshold is a ratio of probabilities: 1.04 and 1.05 part the two sides of 0.89 / 0.85 = 1.047."""
    for threshold, count in ((1.04, 2.0), (1.05, 1.0), (27.3, 1.0), (27.4, 0.0)):
        found = cut.wrong_tokens(logprobs=logs([SAID]), with_critique=logs([TOLD]), threshold=threshold)
        assert_close(found.sum(), count, within=0)


@claim("cut")
def a_critique_that_changes_nothing_is_likelihood() -> None:
    """Where the critique changes no probability no token is wrong, and the loss is the mean NLL."""
    said = logs([SAID])
    found = cut.loss(logprobs=said, with_critique=said, real=torch.ones_like(said), threshold=1.1, alpha=1.0, gamma=0.0)
    assert_close(found, -said.mean(1), within=1e-12)


@claim("cut")
def is_unlikelihood_with_a_mask() -> None:
    """With gamma 0 it is unlikelihood with alpha on the tokens found."""
    said, told = logs([row[0] for row in ROWS]), logs([row[1] for row in ROWS])
    real = torch.tensor([[1.0] * 6, [1.0] * 5 + [0.0]], dtype=torch.float64)
    ours = cut.loss(logprobs=said, with_critique=told, real=real, threshold=1.1, alpha=0.5, gamma=0.0)
    mask = 0.5 * cut.wrong_tokens(logprobs=said, with_critique=told, threshold=1.1)
    assert_close(ours, unlikelihood.loss(logprobs=said, mask=mask, real=real), within=1e-12)


@claim("cut")
def a_wrong_token_is_never_raised() -> None:
    """In float32 a wrong token of probability 1e-30, whose weight is rounded to 0, is left alone, not taught."""
    said = logs([[1e-30]], dtype=torch.float32).requires_grad_()
    told = logs([[1e-25]], dtype=torch.float32)
    losses = cut.loss(logprobs=said, with_critique=told, real=torch.ones(1, 1), threshold=1.1, alpha=1.0, gamma=2.0)
    assert_close(torch.autograd.grad(losses.sum(), said)[0], [0.0], within=1e-12)


@claim("cut")
def the_critique_only_judges() -> None:
    """No gradient goes through the probabilities under the critique."""
    said, told = logs([SAID]).requires_grad_(), logs([TOLD]).requires_grad_()
    losses = cut.loss(
        logprobs=said, with_critique=told, real=torch.ones_like(told), threshold=1.1, alpha=1.0, gamma=1.0
    )
    by = torch.autograd.grad(losses.sum(), (said, told), allow_unused=True, materialize_grads=True)
    assert_close(by[1], [0.0] * 6, within=0)
