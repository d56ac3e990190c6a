r"""D2O: distributional dispreference optimisation (arXiv:2403.03419, eq. 3).

    L = -log sigma( (beta/K) sum_i log[pi(y_i|x) / pi_{r-}(y_i|x)]  -  alpha log[pi(y_l|x) / pi_{r+}(y_l|x)] )

y_l is the response that people rejected; y_1..y_K are anchors that the reference itself sampled for the prompt. The
references are crossed on purpose: r- stands under the anchors, r+ under the rejected response. Here, as in the paper's
experiments, both are the starting model; the two log-ratios are handed in ready, so others may be used.

Worked by hand, K = 2, alpha = beta = 0.1, anchors' log-ratios 1 and 3, rejected -2:
0.1 * 2 - 0.1 * (-2) = 0.4 and -log sigma(0.4) = 0.513015.

>>> import torch
>>> loss(anchors=torch.tensor([[1.0, 3.0]]), rejected=torch.tensor([-2.0]), alpha=0.1, beta=0.1)
tensor([0.5130])

With K = 1 and alpha = beta this is DPO with the anchor as the chosen response.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def loss(*, anchors: Tensor, rejected: Tensor, alpha: float, beta: float) -> Tensor:
    """Anchors' log-ratios (B, K) under r-, the rejected responses' (B,) under r+, in nats -> losses (B,)."""
    return -functional.logsigmoid(beta * anchors.mean(1) - alpha * rejected)
