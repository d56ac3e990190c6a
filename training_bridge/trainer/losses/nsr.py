r"""NSR and W-REINFORCE: negative sample reinforcement (arXiv:2506.01347), on-policy only.

    objective, to be lowered:  sum over wrong y of pi(y|x)  -  lambda * sum over right y of pi(y|x)
    L = -w sum_t m_t exp( log pi(y_t) - log q(y_t) ),   w = -1 where y was wrong, lambda where it was right

lambda = 0 is NSR, 0.1 W-REINFORCE, 1 REINFORCE. The y were drawn from the policy itself; q(y_t) is the probability with
which the token was drawn, without gradient. Two facts that are easily mixed up:

* The objective is in pi, not in log pi. A wrong token's own part of it, pi(y), has by the logits the (descending)
  gradient -pi_y (1 - pi_y) at the token and +pi_y pi_v at every other v: the freed mass goes where the policy already
  puts it. That is the paper's stated logit gradient, and this loss's with q = 1, a token that is taken without a draw.
* A drawn token has already been weighted by pi_y: it comes that often. On fresh draws q = pi, the gradient is that of
  log pi, -(1 - pi_y) and +pi_v, and its mean over draws is the stated one. Descending pi itself on drawn tokens would
  count pi_y twice and lower sum pi^2 instead.

Probabilities sum to 1, so lowering the wrong answers' sum is raising the right ones': without a mask, the mean gradient
over all draws for lambda is 1 + lambda times NSR's. What lambda changes besides is which draws speak, and so the noise
of a mean over few of them.

Worked by hand, pi = (0.5, 0.3, 0.2), wrong was the third: taken without a draw the logits move along
(0.2 * 0.5, 0.2 * 0.3, -0.2 * 0.8) = (0.10, 0.06, -0.16); drawn, along that / 0.2 = (0.5, 0.3, -0.8).

>>> import torch
>>> def push(q: float) -> torch.Tensor:
...     logits = torch.tensor([[0.5, 0.3, 0.2]]).log().requires_grad_()
...     spoken, one = logits.log_softmax(1)[:, 2:], torch.ones(1, 1)
...     lost = loss(logprobs=spoken, drawn=one * q, mask=one, is_right=torch.tensor([False]), right_weight=0.0)
...     return -torch.autograd.grad(lost.sum(), logits)[0]
>>> push(0.0), push(torch.tensor(0.2).log())
(tensor([[ 0.1000,  0.0600, -0.1600]]), tensor([[ 0.5000,  0.3000, -0.8000]]))

The sum over tokens makes the first step after a draw the exact policy gradient of whole answers. The authors' code has
the same ratio (for q, the log-probs before its first step), clips it as PPO does, and divides by the batch's number of
tokens; here nothing is clipped, and a divisor belongs into the mask. The ratios of a second step on one draw are
per token, as in PPO: no longer exact, and for right answers without a bound.

Limits: on fresh draws the value is -w times the number of tokens, whatever the policy does; only the gradient is
meant. On stored rejections, which this policy did not draw, the derivation does not hold and training collapses. A
temperature or top-p other than 1 must be in q, and tokens that it cut off are never corrected.
"""

from __future__ import annotations

import torch
from torch import Tensor


def loss(*, logprobs: Tensor, drawn: Tensor, mask: Tensor, is_right: Tensor, right_weight: float) -> Tensor:
    """Log-probs now and when drawn (B, C), in nats, weights (B, C), labels (B,) bool, lambda -> losses (B,)."""
    total = (mask * (logprobs - drawn.detach()).exp()).sum(1)
    return torch.where(is_right, -right_weight * total, total)
