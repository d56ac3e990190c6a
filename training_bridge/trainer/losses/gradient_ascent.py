r"""Gradient ascent on rejected responses, and the divergence that guards it (arXiv:2310.10683).

    L = sum_t m_t log pi(y_t|x) / sum_t m_t                      the mean over tokens, as in the authors' code
    KL(ref || pi) = sum_v pi_ref(v) (log pi_ref(v) - log pi(v))  per position of a normal row

The paper adds 0.5 L on rejected rows, 1 times the NLL of random answers that do not belong to the prompt (5 per row),
and 1 times the divergence on normal rows (learning rate 2e-6): a recipe combines them. The authors' code takes the
cross-entropy -sum_v pi_ref log pi as divergence: by the policy the gradient is the same, and only ours is 0 at the
start.

Worked by hand, log-probs -1 and -3: (-1 - 3) / 2 = -2; with a mask on the second token alone, -3.

>>> import torch
>>> spoken = torch.tensor([[-1.0, -3.0]])
>>> loss(logprobs=spoken, mask=torch.ones(1, 2)), loss(logprobs=spoken, mask=torch.tensor([[0.0, 1.0]]))
(tensor([-2.]), tensor([-3.]))

Limits: unbounded below and never satisfied, every token is pushed as hard at probability 1e-9 as at 0.9: without guards
and an early stop the model collapses. Weights count relative to their row: halving all of them changes nothing. A row
whose weights are all 0 gives 0 and no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor


def loss(*, logprobs: Tensor, mask: Tensor) -> Tensor:
    """Rejected responses' log-probs (B, C) in nats, weights (B, C), 0 at padding -> losses (B,), each 0 or below."""
    return (mask * logprobs).sum(1) / mask.sum(1).clamp(min=torch.finfo(mask.dtype).tiny)


def divergence(*, logits: Tensor, references: Tensor) -> Tensor:
    """KL(ref || policy) of N positions in nats, (N,), from finite logits (N, V); no gradient by the reference's.

    Reference (1/2, 1/2), policy (0.9, 0.1): 0.5 log(0.5 / 0.9) + 0.5 log(0.5 / 0.1) = 0.510826.

    >>> import torch
    >>> divergence(logits=torch.tensor([[9.0, 1.0]]).log(), references=torch.zeros(1, 2))
    tensor([0.5108])

    Above 0 where the two differ; rounding may leave about -1e-7 where they agree.
    """
    wanted = references.detach().log_softmax(1)
    return (wanted.exp() * (wanted - logits.log_softmax(1))).sum(1)
