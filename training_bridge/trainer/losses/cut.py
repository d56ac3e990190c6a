r"""CUT: contrastive unlikelihood training (arXiv:2312.14591, eq. 5-6): the critique finds the wrong tokens.

    U = { t : p(y_t|x, j) > lambda p(y_t|x) }
    L = -1/|y| [ sum_{t in U} alpha p(y_t|x, j)^gamma log(1 - p(y_t|x))  +  sum_{t not in U} log p(y_t|x) ]

j is the negative critique of the rejected answer y, put into the prompt with the request for an answer that matches it.
A token that this makes MORE likely is one that the critique is about, so it is judged wrong; a token that becomes less
likely is not. This direction is that of eq. 5, of the paper's figure 2 (below) and of the authors' code.

In eq. 5 the other side is p(y_t|x, j+) with a made-up praise j+; the paper's template for it (figure 5) and the
authors' code have no critique there, and neither have we. The authors tried lambda 1.1 and 1.2, alpha 0.25, 0.5 and 1,
gamma 0.25, 0.5, 1 and 2; their code has no gamma (0 here). That the weight p(y_t|x, j)^gamma carries no gradient is
our reading: the paper does not say.

The paper's example, "a former American football player" where "a" lacks its capital, probabilities without critique
(said) and with it (told). Only "a" becomes more than 1.1 times as likely:

>>> import torch
>>> said = torch.tensor([[0.03, 0.94, 0.93, 0.99, 0.03, 0.85]]).log()
>>> told = torch.tensor([[0.82, 0.94, 0.76, 0.99, 0.02, 0.89]]).log()
>>> wrong_tokens(logprobs=said, with_critique=told, threshold=1.1)
tensor([[1., 0., 0., 0., 0., 0.]])

Worked by hand, gamma = 0: (-log 0.97 - log(0.94 * 0.93 * 0.99 * 0.03 * 0.85)) / 6 = (0.030459 + 3.813573) / 6 =
0.640672; gamma = 1 weighs the first with 0.82: (0.024976 + 3.813573) / 6 = 0.639758.

>>> both = {"logprobs": said, "with_critique": told, "real": torch.ones(1, 6), "threshold": 1.1, "alpha": 1.0}
>>> torch.cat([loss(**both, gamma=0.0), loss(**both, gamma=1.0)])
tensor([0.6407, 0.6398])

This is the paper's L1. It adds L2 (its code halves the sum): the NLL of accepted answers, and the NLL of rejected ones
under their critique, which is what keeps the contrast meaningful. Both are plain likelihoods, for the recipe to add.

Limits: a model that does not heed critiques finds nothing, and then the loss is the NLL of a rejected answer. Watch the
share of wrong tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.trainer.losses import unlikelihood


def loss(
    *, logprobs: Tensor, with_critique: Tensor, real: Tensor, threshold: float, alpha: float, gamma: float
) -> Tensor:
    """Log-probs of one answer without and with its critique in the prompt (B, C), in nats -> losses (B,).

    `real` (B, C) is 1 for completion tokens. No gradient goes through `with_critique`.
    """
    wrong = wrong_tokens(logprobs=logprobs, with_critique=with_critique, threshold=threshold)
    weights = alpha * (gamma * with_critique.detach()).exp()
    terms = torch.where(wrong > 0, weights * unlikelihood.penalty(logprobs=logprobs), -logprobs)
    return (real * terms).sum(1) / real.sum(1).clamp(min=1)


def wrong_tokens(*, logprobs: Tensor, with_critique: Tensor, threshold: float) -> Tensor:
    """1 where the critique makes the token more than `threshold` (above 1) times as likely, else 0, (B, C)."""
    return (with_critique - logprobs > math.log(threshold)).to(logprobs.dtype)
