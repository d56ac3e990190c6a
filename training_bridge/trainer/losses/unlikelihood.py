r"""Unlikelihood of the tokens judged wrong, likelihood of the others (arXiv:1908.04319; the mixture as in 2312.14591).

    L = -1/|y| sum_t  w_t log(1 - p_t)  where w_t > 0,   log p_t  elsewhere

w_t are the mask's weights, 0 at tokens that nobody objects to; a mask of all 1 objects to the whole answer. |y| counts
the completion's tokens. In 1908.04319 the penalised tokens are candidates beside the true one; here, as in its
sequence-level loss, the token itself is penalised (equation numbers not checked).

Worked by hand, p = 0.5 right and p = 0.8 wrong: (-log 0.5 - log 0.2) / 2 = (0.693147 + 1.609438) / 2 = 1.151293; with
weight 0.5 on the wrong one, (0.693147 + 0.804719) / 2 = 0.748933.

>>> import torch
>>> spoken = {"logprobs": torch.tensor([[0.5, 0.8]]).log(), "real": torch.ones(1, 2)}
>>> loss(**spoken, mask=torch.tensor([[0.0, 1.0]])), loss(**spoken, mask=torch.tensor([[0.0, 0.5]]))
(tensor([1.1513]), tensor([0.7489]))

Near p = 1 the loss is infinite, and in float32 log p is rounded to about 1e-7 times the logits, so 1 - p is noise
there. Above log p = -FLOOR the loss goes on as its tangent: at p = 1 it is 1 - log FLOOR = 14.8155, with the gradient
1/FLOOR by log p, never 0 (clamping alone would stop the push exactly where the wrong token is most certain). By the
token's logit the gradient is p below the floor and (1 - p)/FLOOR above it: between 0 and 1.

Limits: the push fades as p does, so a wrong token is left alone once it is rare. The likelihood of the other tokens
trains on a rejected answer: where most of an answer is wrong but only a span is marked, it teaches the rest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FLOOR = 1e-6  # smallest -log p that is told from p = 1: what float32 resolves of it at logits of about 10


def loss(*, logprobs: Tensor, mask: Tensor, real: Tensor) -> Tensor:
    """Log-probs (B, C) in nats, wrong tokens' weights (B, C), 1 for completion tokens (B, C) -> losses (B,)."""
    terms = torch.where(mask > 0, mask * penalty(logprobs=logprobs), -logprobs)
    return (real * terms).sum(1) / real.sum(1).clamp(min=1)


def penalty(*, logprobs: Tensor) -> Tensor:
    """-log(1 - p), the tangent above log p = -FLOOR. Any shape, in nats.

    >>> import torch
    >>> penalty(logprobs=torch.tensor([-200.0, math.log(0.8), 0.0]))
    tensor([ 0.0000,  1.6094, 14.8155])
    """
    capped = logprobs.clamp(max=-FLOOR)
    rare, likely = -torch.log1p(-capped.exp()), -torch.log(-torch.expm1(capped))
    above = torch.relu(logprobs + FLOOR) / math.expm1(FLOOR)
    return torch.where(capped < -math.log(2), rare, likely) + above
