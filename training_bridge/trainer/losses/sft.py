r"""SFT: likelihood of a good answer, here a person's correction.

    L = -1/|y| sum_t log pi(y_t | x, y_<t)

The mean is over the row's own completion tokens, so a short correction counts as much as a long one. Libraries that
take one mean over all tokens of the batch (transformers, TRL) weigh rows by their length instead.

Worked by hand, probabilities 0.5 and 0.8, then a row of one token with 0.25 and padding:
(0.693147 + 0.223144) / 2 = 0.458145, and 1.386294.

>>> import torch
>>> spoken = torch.tensor([[0.5, 0.8], [0.25, 1.0]]).log()
>>> loss(logprobs=spoken, real=torch.tensor([[1.0, 1.0], [1.0, 0.0]]))
tensor([0.4581, 1.3863])
"""

from __future__ import annotations

from torch import Tensor


def loss(*, logprobs: Tensor, real: Tensor) -> Tensor:
    """Log-probs (B, C) in nats, 1 for completion tokens and 0 for padding (B, C) -> losses (B,); 0 for an empty row."""
    return -(real * logprobs).sum(1) / real.sum(1).clamp(min=1)
