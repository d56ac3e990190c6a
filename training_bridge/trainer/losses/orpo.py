r"""ORPO: odds ratio preference optimisation (arXiv:2403.07691, eq. 4 and 7; conventions as read in TRL 1.16).

    L = NLL_w - weight * log sigma( log odds(y_w) - log odds(y_l) ),   log odds(y) = l - log(1 - exp(l))

l is the MEAN log-probability per completion token, not the sum: a length-normalised probability, for which odds mean
something. There is no reference model. `weight` is the paper's lambda, TRL's `beta` (0.1 unless said otherwise).

`nll` is handed in, per row. TRL takes it over the chosen answer's prompt AND completion, as one mean over all such
tokens of the batch, not per row; with the completion alone it is -chosen.

Worked by hand, mean probabilities 0.6 (chosen) and 0.2 (rejected), weight 0.1: odds 1.5 and 0.25, their ratio 6,
-log sigma(log 6) = log(7/6) = 0.154151; NLL -log 0.6 = 0.510826; together 0.526241.

>>> import torch
>>> chosen, rejected = torch.tensor([0.6]).log(), torch.tensor([0.2]).log()
>>> loss(chosen=chosen, rejected=rejected, nll=-chosen, weight=0.1)
tensor([0.5262])

Limit: the odds of a certain answer (l = 0) are infinite, and the gradient by its l grows as 1/(1 - exp(l)). Within
the dtype's rounding of 0 the second half of the log odds is held constant, so value and gradient stay finite.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def loss(*, chosen: Tensor, rejected: Tensor, nll: Tensor, weight: float) -> Tensor:
    """Mean log-probs of the chosen and of the rejected answers, the chosen ones' mean NLL, all (B,) -> losses (B,)."""
    return nll - weight * functional.logsigmoid(_log_odds(chosen) - _log_odds(rejected))


def _log_odds(means: Tensor) -> Tensor:
    below = means.clamp(max=-torch.finfo(means.dtype).eps)
    near = torch.log(-torch.expm1(below))
    far = torch.log1p(-torch.exp(below))
    return means - torch.where(below > -math.log(2), near, far)
