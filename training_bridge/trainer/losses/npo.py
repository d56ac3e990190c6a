r"""NPO: negative preference optimisation (arXiv:2404.05868, eq. 3).

    L = -(2/beta) log sigma(-beta r)  =  (2/beta) log(1 + exp(beta r))

DPO without its chosen half: only rejected responses are needed. By r the gradient is 2 sigma(beta r): 1 at the start,
where policy and reference agree, 2 for a response that became more likely, and vanishing for one that is unlearned.

Worked by hand, beta 0.1, r = 2, 0 and -1: 20 log(1 + exp(0.2)) = 15.9628, 20 log 2 = 13.8629 and
20 log(1 + exp(-0.1)) = 12.8879.

>>> import torch
>>> loss(ratios=torch.tensor([2.0, 0.0, -1.0]), beta=0.1)
tensor([15.9628, 13.8629, 12.8879])

beta -> 0 is gradient ascent on the sum of the log-probs: the gradient tends to 1 everywhere. The value does not tend
to r: it is (2/beta) log 2 + r + beta r^2 / 4 + ..., so losses of different betas are not comparable.

Limits: the loss is above 0 and tends to 0 as r -> -infinity, where NPO stops pushing; upwards it grows as 2 r, so it is
bounded below and not above. r is a sum over the (masked) tokens: a long response reaches beta r = -4, where less than
4 % of the starting push is left, in fewer steps than a short one. Published with a retain term (NLL or KL on accepted
rows), which the recipe adds.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def loss(*, ratios: Tensor, beta: float) -> Tensor:
    """Rejected responses' log-ratios (B,) in nats -> losses (B,), each above 0."""
    return -2 / beta * functional.logsigmoid(-beta * ratios)
