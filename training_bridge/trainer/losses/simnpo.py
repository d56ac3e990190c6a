r"""SimNPO: NPO without a reference, normalised by length (arXiv:2410.07163).

    L = -(2/beta) log sigma( -(beta/|y|) log pi(y|x)  -  gamma )

gamma stands OUTSIDE the factor beta, as in the paper and on the authors' model cards. Their code, and what is built on
it, has sigma(beta (NLL/|y| - gamma')) with gamma inside: the same sign on another scale, gamma = beta gamma'. At
gamma = 0, which the published TOFU and WMDP runs use, both agree. A larger gamma keeps pushing where the answer is
already unlikely. (Equation number not checked.)

A mask weighs the tokens: log pi(y|x) becomes sum_t m_t log pi(y_t) and |y| becomes sum_t m_t. Weights therefore count
relative to their row: halving all of them changes nothing. A row whose weights are all 0 gives a constant without
gradient.

Worked by hand, log-probs -1 and -3 (mean -2), beta 2.5: (2/2.5) log(1 + exp(-5)) = 0.005372, with gamma = 1
(2/2.5) log(1 + exp(-4)) = 0.014520.

>>> import torch
>>> spoken = {"logprobs": torch.tensor([[-1.0, -3.0]]), "mask": torch.ones(1, 2)}
>>> loss(**spoken, beta=2.5), loss(**spoken, beta=2.5, gamma=1.0)
(tensor([0.0054]), tensor([0.0145]))

Limits: by the mean log-prob the gradient is 2 sigma(beta mean + gamma), at most 2 and vanishing for unlikely answers.
Nothing ties the policy to where it started: published with a retain term and beta 2.5 to 5.5; at beta 0.1 it hardly
differs from gradient ascent. The betas and gammas published for MUSE (0.7, 0 and 3) do not carry over: the code for
those runs, in the version read, puts raw logits of the whole vocabulary in the place of the log-prob.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def loss(*, logprobs: Tensor, mask: Tensor, beta: float, gamma: float = 0.0) -> Tensor:
    """Rejected responses' log-probs (B, C) in nats, weights (B, C), 0 at padding -> losses (B,), each above 0."""
    lengths = mask.sum(1).clamp(min=torch.finfo(mask.dtype).tiny)
    means = (mask * logprobs).sum(1) / lengths
    return -2 / beta * functional.logsigmoid(-beta * means - gamma)
