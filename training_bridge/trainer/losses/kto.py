r"""KTO: Kahneman-Tversky optimisation (arXiv:2402.01306, eq. 7-8; checked against TRL 1.16 and HALOs).

    desirable:    w_D (1 - sigma(beta (r - z)))
    undesirable:  w_U (1 - sigma(beta (z - r)))
    z = max(0, mean of the log-ratio over mismatched pairs (x_i, y_j), j's prompt another one), no gradient

Two rows worked by hand, beta 0.1, z = 0, r = 2 (desirable) and r = -1 (undesirable):
1 - sigma(0.2) = 0.450166 and 1 - sigma(0.1) = 0.475021.

>>> import torch
>>> r, good = torch.tensor([2.0, -1.0]), torch.tensor([True, False])
>>> loss(ratios=r, is_desirable=good, baseline=torch.tensor(0.0), beta=0.1)
tensor([0.4502, 0.4750])

With z = 1 the desirable row falls short of the baseline by less, 1 - sigma(0.1), and the undesirable row is further
below it, 1 - sigma(0.2):

>>> loss(ratios=r, is_desirable=good, baseline=torch.tensor(1.0), beta=0.1)
tensor([0.4750, 0.4502])

On rejected rows alone z is 0 and the loss is sigma(beta r) (APO-zero, unpaired): no second forward pass is needed.
"""

from __future__ import annotations

import torch
from torch import Tensor


def loss(
    *,
    ratios: Tensor,
    is_desirable: Tensor,
    baseline: Tensor,
    beta: float,
    desirable_weight: float = 1.0,
    undesirable_weight: float = 1.0,
) -> Tensor:
    """Log-ratios (B,), labels (B,) bool, baseline z () in nats -> losses (B,), each in [0, its weight]."""
    margins = torch.where(is_desirable, ratios - baseline, baseline - ratios)
    good, bad = ratios.new_tensor(desirable_weight), ratios.new_tensor(undesirable_weight)
    return torch.where(is_desirable, good, bad) * torch.sigmoid(-beta * margins)  # 1 - sigma(x) would round to 0 at 17


def baseline(*, mismatched: Tensor) -> Tensor:
    """Log-ratios of mismatched pairs (B,) -> z (): their mean, never below 0, without gradient.

    >>> import torch
    >>> baseline(mismatched=torch.tensor([3.0, -1.0])), baseline(mismatched=torch.tensor([-3.0, 1.0]))
    (tensor(1.), tensor(0.))
    """
    return mismatched.detach().mean().clamp(min=0)
