"""ORPO."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import orpo as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import orpo

ROWS = [
    (-0.5, -1.6, 0.7),
    (-3.0, -0.01, 2.5),
    (-1e-5, -12.0, 1e-5),
    (-60.0, -0.69314, 60.0),
]


def both(rows: list[tuple[float, float, float]], *, weight: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Losses (B,) and their gradients by chosen, rejected and NLL (B, 3)."""
    given = torch.tensor(rows, dtype=dtype, requires_grad=True)
    found = orpo.loss(chosen=given[:, 0], rejected=given[:, 1], nll=given[:, 2], weight=weight)
    return found, torch.autograd.grad(found.sum(), given)[0]


@claim("orpo")
def equals_the_formula() -> None:
    """Values and gradients are those of the NLL with eq. 4 and 7, from nearly certain to nearly impossible answers."""
    found, gradients = both(ROWS, weight=0.4, dtype=torch.float64)
    for row, (chosen, rejected, nll) in enumerate(ROWS):
        assert_close(found[row], oracle.loss(chosen=chosen, rejected=rejected, nll=nll, weight=0.4), within=1e-12)
        assert_close(gradients[row], oracle.gradient(chosen=chosen, rejected=rejected, weight=0.4), within=1e-10)


@claim("orpo")
def keeps_its_digits_in_float32() -> None:
    """In float32 a mean log-prob of -1e-6, where 1 - exp(l) has lost its digits, is right to 1e-5."""
    row = (-2e-6, -1e-6, 0.0)
    found, gradients = both([row], weight=1.0, dtype=torch.float32)
    assert_close(found, oracle.loss(chosen=row[0], rejected=row[1], nll=row[2], weight=1.0), within=1e-5)
    assert_close(gradients, oracle.gradient(chosen=row[0], rejected=row[1], weight=1.0), within=1e-5)


@claim("orpo")
def survives_certainty() -> None:
    """An answer with probability 1 exactly, chosen, rejected or both, leaves value and gradient finite."""
    found, gradients = both([(0.0, -2.0, 0.0), (-2.0, 0.0, 2.0), (0.0, 0.0, 0.0)], weight=1.0, dtype=torch.float32)
    for each in (found, gradients):
        assert bool(torch.isfinite(each).all()), f"{each.tolist()}, finite numbers wanted"
    assert bool((gradients[:, 1] > 0).all()), f"{gradients[:, 1].tolist()} by the rejected answers, more than 0 wanted"


@claim("orpo")
def without_weight_is_the_nll() -> None:
    """With weight 0 only the NLL is left."""
    found, gradients = both(ROWS, weight=0.0, dtype=torch.float64)
    assert_close(found, [nll for _, _, nll in ROWS], within=1e-12)
    assert_close(gradients, [0.0, 0.0, 1.0] * len(ROWS), within=1e-12)
