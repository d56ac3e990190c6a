"""BNF."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import bnf as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import bnf

LOGITS = [[0.5, -1.0, 2.0, 0.0], [3.0, 0.1, -2.0, 1.0], [-4.0, 0.7, 0.2, 0.3], [1.0, 1.0, -6.0, 1.5]]
TOKENS = [2, 1, 0, 3]
REFERENCES = [-1.5, -0.4, -0.9, -0.6]  # the policy is above the first, below the others

LABELS = [1.0, -1.0]
MASK = [[0.5, 1.0], [1.0, 2.0]]
LENGTHS = [2, 2]


def both(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """`of_tokens` (N,) and its gradient by the logits (N, V)."""
    logits = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    found = bnf.of_tokens(logits=logits, targets=torch.tensor(TOKENS), references=torch.tensor(REFERENCES, dtype=dtype))
    return found, torch.autograd.grad(found.sum(), logits)[0]


def target(place: int) -> list[float]:
    return oracle.target(logits=LOGITS[place], token=TOKENS[place], reference=REFERENCES[place])


@claim("bnf")
def equals_the_formula() -> None:
    """A token's value is the cross-entropy against its target, and its gradient that with the target held still."""
    found, gradients = both()
    for place, logits in enumerate(LOGITS):
        assert_close(found[place], oracle.crossed(logits=logits, towards=target(place)), within=1e-12)
        assert_close(gradients[place], oracle.gradient(logits=logits, towards=target(place)), within=1e-9)


@claim("bnf")
def logit_gradient_sums_to_zero() -> None:
    """The gradient by a token's logits sums to 0: what one token loses the others get."""
    assert_close(both()[1].sum(1), [0.0] * len(LOGITS), within=1e-12)


@claim("bnf")
def logit_gradient_of_a_row() -> None:
    """In a row's loss the gradient by a token's logits is label m (pi - target) / |y|."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    references = torch.tensor(REFERENCES, dtype=torch.float64)
    tokens = bnf.of_tokens(logits=logits, targets=torch.tensor(TOKENS), references=references).view(2, 2)
    labels, mask = torch.tensor(LABELS, dtype=torch.float64), torch.tensor(MASK, dtype=torch.float64)
    padding = torch.zeros(2, 3, dtype=torch.float64)
    found = bnf.loss(
        tokens=torch.cat([tokens, padding], 1),
        labels=labels,
        mask=torch.cat([mask, padding], 1),
        real=torch.cat([torch.ones_like(mask), padding], 1),
    )
    (gradients,) = torch.autograd.grad(found.sum(), logits)
    for place, each in enumerate(LOGITS):
        row, column = divmod(place, 2)
        scale = LABELS[row] * MASK[row][column] / LENGTHS[row]
        wanted = [scale * (pi - q) for pi, q in zip(oracle.softmax(each), target(place), strict=True)]
        assert_close(gradients[place], wanted, within=1e-12)


@claim("bnf")
def above_the_reference_is_the_nll() -> None:
    """Where the policy is at or above the reference f is 1 and the token's value and gradient are those of the NLL."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    nll = -logits.log_softmax(1).gather(1, torch.tensor(TOKENS)[:, None]).squeeze(1)
    lower = torch.tensor([0.0, 0.1, 1.0, 30.0], dtype=torch.float64)
    found = bnf.of_tokens(logits=logits, targets=torch.tensor(TOKENS), references=-nll.detach() - lower)
    assert_close(found, nll, within=1e-12)
    ours, theirs = (torch.autograd.grad(each.sum(), logits)[0] for each in (found, nll))
    assert_close(ours, theirs, within=1e-12)


@claim("bnf")
def fades_far_below_the_reference() -> None:
    """Below the reference the push on a token's logit is pi/pi_ref - pi, down to a millionth of pi_ref."""
    for chance in (0.1, 1e-3, 1e-7):
        odds = math.log(chance / (1 - chance))
        logits = torch.tensor([[odds, 0.0]], dtype=torch.float64, requires_grad=True)
        reference = torch.tensor([0.1], dtype=torch.float64).log()
        found = bnf.of_tokens(logits=logits, targets=torch.tensor([0]), references=reference)
        (gradients,) = torch.autograd.grad(found.sum(), logits)
        push = chance / 0.1 - chance
        assert_close(gradients / chance, [-push / chance, push / chance], within=1e-7)


@claim("bnf")
def survives_certainty_in_float32() -> None:
    """A token with probability 1 leaves value and gradient finite, wherever the reference stands."""
    logits = torch.tensor([[200.0, 0.0, -3.0]] * 3, requires_grad=True)
    references = torch.tensor([0.0, -1e-7, -50.0])
    found = bnf.of_tokens(logits=logits, targets=torch.tensor([0, 0, 0]), references=references)
    (gradients,) = torch.autograd.grad(found.sum(), logits)
    assert_close(found, [0.0] * 3, within=1e-6)
    assert_close(gradients, [0.0] * 9, within=1e-6)
