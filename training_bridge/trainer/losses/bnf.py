r"""BNF: bidirectional negative feedback (arXiv:2410.04834), in part a reconstruction.

    f_t = min( pi(y_t) / pi_ref(y_t), 1 )
    target_t = f_t on y_t; the remaining 1 - f_t over the other tokens, in proportion to pi
    L = label/|y| sum_t m_t H(target_t, pi_t),    H(target, pi) = -sum_v target(v) log pi(v)

label is 1 for a good answer and -1 for a rejected one; the target takes no gradient; |y| counts the completion's
tokens, whatever the mask m leaves of them. That f and its use on y_t are the paper's is known from its pseudocode. How
the remaining 1 - f_t is shared is a RECONSTRUCTION that was not checked against the paper or the authors' code. What
follows from it is proven: the gradient by a token's logits is label (pi - target)/|y|, that is

    (pi(y_t) - f_t) at y_t,    pi(v) (f_t - pi(y_t)) / (1 - pi(y_t)) at every other v,    each times label/|y|

which sums to 0. Where the policy is at or above the reference f is 1, the target is y_t alone, and the loss is the NLL
(good) or gradient ascent (rejected). Below it the push on a rejected token is pi/pi_ref - pi and fades with pi.

Worked by hand, pi = (0.5, 0.3, 0.2), the token is the third, pi_ref 0.4: f = 0.5, the target (0.3125, 0.1875, 0.5),
H = 0.216608 + 0.225745 + 0.804719 = 1.247072, and the gradient by the logits (0.1875, 0.1125, -0.3).

>>> import torch
>>> logits = torch.tensor([[0.5, 0.3, 0.2]]).log().requires_grad_()
>>> tokens = of_tokens(logits=logits, targets=torch.tensor([2]), references=torch.tensor([0.4]).log())
>>> tokens.detach(), torch.autograd.grad(tokens.sum(), logits)[0]
(tensor([1.2471]), tensor([[ 0.1875,  0.1125, -0.3000]]))

A token with H = 1.25, alone in a rejected answer, and in one of two tokens of which the other is not marked:

>>> one, two = torch.tensor([[1.25, 0.0]]), torch.tensor([[1.25, 0.8]])
>>> spoken = {"tokens": torch.cat([one, two]), "labels": torch.tensor([-1.0, -1.0])}
>>> loss(**spoken, mask=torch.tensor([[1.0, 0.0], [1.0, 0.0]]), real=torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
tensor([-1.2500, -0.6250])

Limits: the target moves with the policy, so the value is no measure of progress; only the gradient is meant. It needs
all V probabilities of each token, but only of those inside the mask. A logit of -inf gives NaN.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def of_tokens(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
    """Logits (N, V), the tokens said (N,), their log-probs by the reference (N,) -> H(target, pi) (N,), in nats."""
    logprobs = logits.log_softmax(1)
    said = logprobs.gather(1, targets[:, None]).squeeze(1)
    with torch.no_grad():
        log_kept = (said - references).clamp(max=0)
        others = logprobs.scatter(1, targets[:, None], -math.inf).softmax(1)
    return torch.expm1(log_kept) * (others * logprobs).sum(1) - log_kept.exp() * said


def loss(*, tokens: Tensor, labels: Tensor, mask: Tensor, real: Tensor) -> Tensor:
    """`of_tokens` as rows (B, C), labels 1 or -1 (B,), span weights and completion tokens (B, C) -> losses (B,)."""
    return labels * (mask * tokens).sum(1) / real.sum(1).clamp(min=1)
