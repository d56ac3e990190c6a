"""Gradient ascent and its guard."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import gradient_ascent as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import gradient_ascent

ROWS = [
    ([-1.0, -3.0, -0.5], [1.0, 1.0, 1.0]),
    ([-2.0, -0.25, -7.0], [0.5, 2.0, 0.0]),
    ([-400.0, -900.0, 0.0], [1.0, 1.0, 0.0]),
]
POSITIONS = [
    ([0.0, 2.0, -1.0, 0.5], [1.0, 1.0, -3.0, 0.0]),
    ([9.0, -9.0, 0.0, 3.0], [-9.0, 9.0, 3.0, 0.0]),
    ([1000.0, 0.0, -1000.0, 990.0], [0.0, 1000.0, 10.0, -1000.0]),
]


def doubles(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@claim("gradient_ascent")
def equals_the_formula() -> None:
    """Values and gradients are those of the weighted mean log-prob, which the step lowers."""
    logprobs = doubles([spoken for spoken, _ in ROWS]).requires_grad_()
    losses = gradient_ascent.loss(logprobs=logprobs, mask=doubles([weights for _, weights in ROWS]))
    gradients = torch.autograd.grad(losses.sum(), logprobs)[0]
    for row, (spoken, weights) in enumerate(ROWS):
        assert_close(losses[row], oracle.loss(logprobs=spoken, weights=weights), within=1e-12)
        assert_close(gradients[row], oracle.gradient(weights=weights), within=1e-12)


@claim("gradient_ascent")
def never_lets_go() -> None:
    """The push on a token is the same at log-prob -1000 as at -0.001: nothing but a guard ends it."""
    logprobs = doubles([[-0.001, -1.0], [-1000.0, -999.0]]).requires_grad_()
    losses = gradient_ascent.loss(logprobs=logprobs, mask=torch.ones_like(logprobs))
    near, far = torch.autograd.grad(losses.sum(), logprobs)[0]
    assert_close(near, [0.5, 0.5], within=1e-12)
    assert_close(far, near, within=0)


@claim("gradient_ascent")
def no_weight_no_gradient() -> None:
    """A row whose weights are all 0 has the loss 0 and no gradient."""
    logprobs = torch.tensor([[-1.0, -3.0]], requires_grad=True)
    losses = gradient_ascent.loss(logprobs=logprobs, mask=torch.zeros(1, 2))
    assert_close(losses, [0.0], within=0)
    assert_close(torch.autograd.grad(losses.sum(), logprobs)[0], [0.0, 0.0], within=0)


@claim("gradient_ascent")
def divergence_equals_the_formula() -> None:
    """The guard is sum_v pi_ref log(pi_ref / pi), its gradient by the policy's logits pi - pi_ref, also far out."""
    logits = doubles([policy for policy, _ in POSITIONS]).requires_grad_()
    found = gradient_ascent.divergence(logits=logits, references=doubles([reference for _, reference in POSITIONS]))
    gradients = torch.autograd.grad(found.sum(), logits)[0]
    for row, (policy, reference) in enumerate(POSITIONS):
        assert_close(found[row], oracle.divergence(logits=policy, references=reference), within=1e-12)
        assert_close(gradients[row], oracle.divergence_gradient(logits=policy, references=reference), within=1e-12)


@claim("gradient_ascent")
def divergence_starts_at_zero() -> None:
    """Where the policy is the reference, up to a shift of its logits, the guard is 0 and pushes nowhere."""
    references = doubles([reference for _, reference in POSITIONS])
    logits = (references + 7).requires_grad_()
    found = gradient_ascent.divergence(logits=logits, references=references)
    assert_close(found, [0.0, 0.0, 0.0], within=1e-12)
    assert_close(torch.autograd.grad(found.sum(), logits)[0], [0.0] * references.numel(), within=1e-12)


@claim("gradient_ascent")
def divergence_leaves_the_reference() -> None:
    """No gradient reaches the reference's logits, even where they ask for one."""
    logits, references = (torch.zeros(1, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    shift = doubles([[0.0, 1.0, 2.0]])
    found = gradient_ascent.divergence(logits=logits, references=references + shift).sum()
    _, by_references = torch.autograd.grad(found, (logits, references), allow_unused=True, materialize_grads=True)
    assert_close(by_references, [0.0, 0.0, 0.0], within=0)
