"""NSR and W-REINFORCE."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import nsr as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import nsr

LOGITS = [0.5, -1.0, 2.0, 0.0, -3.0]

NOW = [[-0.5, -2.0, -0.1], [-0.7, -0.2, -3.0], [-1.5, -0.3, -0.9]]
THEN = [[-0.5, -1.0, -0.4], [-0.7, -0.2, -3.0], [-1.4, -0.3, -0.2]]
MASK = [[1.0, 1.0, 0.5], [1.0, 1.0, 0.0], [0.0, 2.0, 1.0]]
RIGHT = [False, True, False]

# Three tokens, answers of two: logits of the first one, then of the second one after each first one.
ANY = [0.4, -0.3, 0.9, 0.0, 1.0, -1.0, 0.5, 0.2, 0.1, -0.6, 0.0, 1.2]
ANSWERS = [True, False, False, False, False, True, False, True, False]


def push(*, token: int, is_drawn: bool) -> Tensor:
    """How the logits move when this token alone was wrong (V,)."""
    logits = torch.tensor([LOGITS], dtype=torch.float64, requires_grad=True)
    spoken = logits.log_softmax(1)[:, token : token + 1]
    found = nsr.loss(
        logprobs=spoken,
        drawn=spoken.detach() if is_drawn else torch.zeros_like(spoken),
        mask=torch.ones_like(spoken),
        is_right=torch.tensor([False]),
        right_weight=0.0,
    )
    return -torch.autograd.grad(found.sum(), logits)[0][0]


def rows(*, right_weight: float) -> tuple[Tensor, Tensor]:
    """Losses (B,) and their gradients by the log-probs (B, C)."""
    now, then, mask = (torch.tensor(each, dtype=torch.float64) for each in (NOW, THEN, MASK))
    now.requires_grad_()
    found = nsr.loss(logprobs=now, drawn=then, mask=mask, is_right=torch.tensor(RIGHT), right_weight=right_weight)
    return found, torch.autograd.grad(found.sum(), now)[0]


def wanted_loss(row: int, *, mask: list[float]) -> float:
    return oracle.loss(logprobs=NOW[row], drawn=THEN[row], mask=mask, is_right=RIGHT[row], right_weight=0.1)


def mean_gradient(*, right_weight: float) -> Tensor:
    """Of the loss of every answer, weighted by its probability, by the logits ANY."""
    logits = torch.tensor(ANY, dtype=torch.float64, requires_grad=True)
    first, second = logits[:3].log_softmax(0), logits[3:].view(3, 3).log_softmax(1)
    spoken = torch.stack([first[:, None].expand(3, 3), second], 2).view(9, 2)
    found = nsr.loss(
        logprobs=spoken,
        drawn=spoken.detach(),
        mask=torch.ones_like(spoken),
        is_right=torch.tensor(ANSWERS),
        right_weight=right_weight,
    )
    return torch.autograd.grad((spoken.detach().sum(1).exp() * found).sum(), logits)[0]


@claim("nsr")
def has_the_stated_logit_gradient() -> None:
    """A wrong token taken without a draw moves its logit by -pi_y (1 - pi_y) and every other by +pi_y pi_v."""
    for token in range(len(LOGITS)):
        assert_close(push(token=token, is_drawn=False), oracle.stated(logits=LOGITS, token=token), within=1e-12)


@claim("nsr")
def has_it_on_average_over_draws() -> None:
    """A drawn wrong token, times the probability with which it is drawn, moves the logits by that same formula."""
    chances = oracle.softmax(LOGITS)
    for token, chance in enumerate(chances):
        wanted = oracle.stated(logits=LOGITS, token=token)
        assert_close(chance * push(token=token, is_drawn=True), wanted, within=1e-12)


@claim("nsr")
def is_the_policy_gradient_of_answers() -> None:
    """The mean over everything the policy can say has the objective's own gradient, for lambda 0, 0.1 and 1."""
    for right_weight in (0.0, 0.1, 1.0):
        wanted = oracle.gradient(logits=ANY, right=ANSWERS, right_weight=right_weight)
        assert_close(mean_gradient(right_weight=right_weight), wanted, within=1e-9)


@claim("nsr")
def lambda_scales_the_mean_gradient() -> None:
    """Over all draws the mean gradient for lambda is 1 + lambda times NSR's."""
    alone = mean_gradient(right_weight=0.0)
    for right_weight in (0.1, 1.0):
        assert_close(mean_gradient(right_weight=right_weight), (1 + right_weight) * alone, within=1e-12)


@claim("nsr")
def equals_the_formula() -> None:
    """Values and gradients are those of the weighted sum of ratios, on old draws too; masked tokens count nothing."""
    found, gradients = rows(right_weight=0.1)
    for row in range(len(RIGHT)):
        assert_close(found[row], wanted_loss(row, mask=MASK[row]), within=1e-12)
        alone = [[weight * (each == place) for each in range(3)] for place, weight in enumerate(MASK[row])]
        assert_close(gradients[row], [wanted_loss(row, mask=each) for each in alone], within=1e-12)


@claim("nsr")
def leaves_right_answers_alone() -> None:
    """With lambda 0 right answers have neither loss nor gradient; with 1 they weigh as much as wrong ones."""
    for right_weight in (0.0, 1.0):
        found, gradients = rows(right_weight=right_weight)
        assert_close(found[1], -2 * right_weight, within=1e-12)
        assert_close(gradients[1], [-right_weight, -right_weight, 0.0], within=1e-12)
