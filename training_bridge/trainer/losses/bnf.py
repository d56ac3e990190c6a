r"""BNF: bidirectional negative feedback (arXiv:2410.04834), in part a reconstruction.

    f_t = min( pi(y_t) / pi_ref(y_t), 1 )
    target_t = f_t on y_t; the remaining 1 - f_t over the other tokens, in proportion to pi
    L = label/|y| sum_t m_t H(target_t, pi_t),    H(target, pi) = -sum_v target(v) log pi(v)

label is 1 for a good answer and -1 for a rejected one; the target takes no gradient; |y| counts the completion's
tokens, whatever the mask m leaves of them. That f and its use on y_t are the paper's is known from its pseudocode. How
the remaining 1 - f_t is shared is a RECONSTRUCTION that was not checked against the paper (the authors' repository has
no code). What follows from it is proven: the gradient by a token's logits is label (pi - target)/|y|, that is

    (pi(y_t) - f_t) at y_t,    pi(v) (f_t - pi(y_t)) / (1 - pi(y_t)) at every other v,    each times label/|y|

which sums to 0 and is, with c_t = (f_t - pi(y_t)) / (1 - pi(y_t)), c_t times the gradient of -log pi(y_t): onehot(y_t)
- pi is what log pi(y_t) gives. So BNF is a likelihood whose tokens are weighed by

    c_t = min(1, odds pi(y_t) / odds pi_ref(y_t)),    odds p = p / (1 - p)

held still, and no distribution over the vocabulary is needed for it; the value needs each one's entropy. Where the
policy is at or above the reference c is 1, and the loss is the NLL (good) or gradient ascent (rejected). Below it the
push fades with the odds of the token.

Worked by hand, pi = (0.5, 0.3, 0.2), the token is the third, pi_ref 0.4: f = 0.5, the target (0.3125, 0.1875, 0.5),
H = 0.216608 + 0.225745 + 0.804719 = 1.247072, c = (0.2/0.8) / (0.4/0.6) = 0.375, and the gradient by the logits
0.375 (0.5, 0.3, 0.2 - 1) = (0.1875, 0.1125, -0.3).

>>> import torch
>>> logits = torch.tensor([[0.5, 0.3, 0.2]]).log().requires_grad_()
>>> spoken = {"logprobs": logits.log_softmax(1)[:, 2], "entropies": torch.special.entr(logits.detach().exp()).sum(1)}
>>> tokens = of_tokens(**spoken, references=torch.tensor([0.4]).log())
>>> tokens.detach(), torch.autograd.grad(tokens.sum(), logits)[0]
(tensor([1.2471]), tensor([[ 0.1875,  0.1125, -0.3000]]))

A token with H = 1.25, alone in a rejected answer, and in one of two tokens of which the other is not marked:

>>> one, two = torch.tensor([[1.25, 0.0]]), torch.tensor([[1.25, 0.8]])
>>> spoken = {"tokens": torch.cat([one, two]), "labels": torch.tensor([-1.0, -1.0])}
>>> loss(**spoken, mask=torch.tensor([[1.0, 0.0], [1.0, 0.0]]), real=torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
tensor([-1.2500, -0.6250])

Limits: the target moves with the policy, so the value is no measure of progress; only the gradient is meant. The push
on a rejected token never ends, as in gradient ascent, but it fades: at a millionth of the reference's odds it is a
millionth of it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def of_tokens(*, logprobs: Tensor, entropies: Tensor, references: Tensor) -> Tensor:
    """H(target, pi) of each token in nats, any one shape: log-probs by policy and reference, entropy of the policy.

    The gradient is c times that of -logprobs; none goes through the others.
    """
    said = logprobs.detach()
    below_one = -torch.finfo(said.dtype).tiny  # log-probs are held under it, so that p = 1 has finite odds
    capped, references = said.clamp(max=below_one), references.clamp(max=below_one)
    pulls = (_log_odds(capped) - _log_odds(references)).clamp(max=0).exp()
    log_kept = (capped - references).clamp(max=0)
    shared = torch.expm1(log_kept) / torch.expm1(capped)  # (1 - f) / (1 - pi), between 0 and 1
    crossed = shared * (entropies + said.exp() * said) - log_kept.exp() * said
    return crossed + pulls * (said - logprobs)


def loss(*, tokens: Tensor, labels: Tensor, mask: Tensor, real: Tensor) -> Tensor:
    """`of_tokens` as rows (B, C), labels 1 or -1 (B,), span weights and completion tokens (B, C) -> losses (B,)."""
    return labels * (mask * tokens).sum(1) / real.sum(1).clamp(min=1)


def _log_odds(logprobs: Tensor) -> Tensor:
    """log p / (1 - p) of log p below 0."""
    return logprobs - torch.log(-torch.expm1(logprobs))
