"""SFT."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import sft as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import sft

ROWS = [[-0.5, -2.0, -0.125], [-3.0], [-1e-9, -40.0]]


def padded(*, width: int, filler: float) -> tuple[Tensor, Tensor]:
    """The rows' log-probs and which of them are real, both (B, width)."""
    spare = [width - len(row) for row in ROWS]
    filled = [row + [filler] * more for row, more in zip(ROWS, spare, strict=True)]
    real = [[1.0] * len(row) + [0.0] * more for row, more in zip(ROWS, spare, strict=True)]
    return torch.tensor(filled, dtype=torch.float64), torch.tensor(real, dtype=torch.float64)


@claim("sft")
def equals_the_formula() -> None:
    """Values and gradients are those of the mean NLL of each row's own tokens."""
    logprobs, real = padded(width=3, filler=0.0)
    logprobs.requires_grad_()
    found = sft.loss(logprobs=logprobs, real=real)
    (gradients,) = torch.autograd.grad(found.sum(), logprobs)
    for row, spoken in enumerate(ROWS):
        assert_close(found[row], oracle.loss(logprobs=spoken), within=1e-12)
        assert_close(gradients[row, : len(spoken)], oracle.gradient(logprobs=spoken), within=1e-12)


@claim("sft")
def leaves_padding_out() -> None:
    """Wider padding with any numbers in it changes no loss and gets no gradient."""
    logprobs, real = padded(width=7, filler=-5.0)
    logprobs.requires_grad_()
    found = sft.loss(logprobs=logprobs, real=real)
    (gradients,) = torch.autograd.grad(found.sum(), logprobs)
    assert_close(found, [oracle.loss(logprobs=row) for row in ROWS], within=1e-12)
    assert_close((gradients * (1 - real)).abs().sum(), 0.0, within=0)
