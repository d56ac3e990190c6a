r"""DPO: direct preference optimisation (arXiv:2305.18290, eq. 7; TRL's "sigmoid" loss without label smoothing).

    L = -log sigma( beta (r_w - r_l) )

r_w and r_l are the log-ratios of the chosen and of the rejected answer to one prompt, sums over tokens: long answers
have large ones. Here the chosen answer is a person's correction of the rejected one.

Worked by hand, beta 0.1, r_w = 1 and r_l = -2: 0.1 * 3 = 0.3 and -log sigma(0.3) = 0.554355.

>>> import torch
>>> loss(chosen=torch.tensor([1.0]), rejected=torch.tensor([-2.0]), beta=0.1)
tensor([0.5544])

Before the first step both ratios are 0 and the loss is log 2. Only the difference is held: the loss also falls while
both answers lose probability, the rejected one faster.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def loss(*, chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
    """Log-ratios of the chosen answers (B,) and of the rejected ones (B,), in nats -> losses (B,)."""
    return -functional.logsigmoid(beta * (chosen - rejected))
