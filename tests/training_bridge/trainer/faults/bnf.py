"""BNF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import bnf

Loss = Callable[..., Tensor]


def lets_the_target_learn(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
        logprobs = logits.log_softmax(1)
        said = logprobs.gather(1, targets[:, None]).squeeze(1)
        kept = (said - references).clamp(max=0).exp()
        others = logprobs.scatter(1, targets[:, None], -torch.inf).softmax(1)
        return -kept * said - (1 - kept) * others.mul(logprobs).sum(1)

    return faulty


def shares_equally(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
        logprobs = logits.log_softmax(1)
        said = logprobs.gather(1, targets[:, None]).squeeze(1)
        kept = (said - references).clamp(max=0).exp().detach()
        return -kept * said - (1 - kept) * (logprobs.sum(1) - said) / (logits.shape[1] - 1)

    return faulty


def forgets_the_normaliser(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
        said = logits.gather(1, targets[:, None]).squeeze(1)
        kept = (logits.log_softmax(1).gather(1, targets[:, None]).squeeze(1) - references).clamp(max=0).exp().detach()
        others = logits.scatter(1, targets[:, None], -torch.inf).softmax(1).detach()
        return -kept * said - (1 - kept) * (others * logits).sum(1)

    return faulty


def divides_by_1_minus_pi(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
        logprobs = logits.log_softmax(1)
        said = logprobs.gather(1, targets[:, None]).squeeze(1)
        kept = (said - references).clamp(max=0).exp().detach()
        rest = (logprobs.exp().detach() * logprobs).sum(1) - said.exp().detach() * said
        return -kept * said - (1 - kept) / (1 - said.exp().detach()) * rest

    return faulty


def does_not_cap(of_tokens: Loss) -> Loss:
    """f may exceed 1: so it does where the reference is below the policy."""

    def faulty(*, logits: Tensor, targets: Tensor, references: Tensor) -> Tensor:
        said = logits.log_softmax(1).gather(1, targets[:, None]).squeeze(1)
        kept = (said - references).exp().detach()
        return of_tokens(logits=logits, targets=targets, references=references) - (kept - 1).clamp(min=0) * said

    return faulty


def keeps_all(of_tokens: Loss) -> Loss:
    def faulty(*, references: Tensor, **rest: Any) -> Tensor:
        return of_tokens(references=torch.full_like(references, -torch.inf), **rest)

    return faulty


def forgets_the_label(loss: Loss) -> Loss:
    def faulty(*, labels: Tensor, **rest: Any) -> Tensor:
        return loss(labels=torch.ones_like(labels), **rest)

    return faulty


def divides_by_the_mask(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, real: Tensor, **rest: Any) -> Tensor:
        return loss(mask=mask, real=mask, **rest)

    return faulty


FAULTS = [
    Fault("bnf.equals_the_formula", bnf, lets_the_target_learn, "of_tokens"),
    Fault("bnf.equals_the_formula", bnf, shares_equally, "of_tokens"),
    Fault("bnf.logit_gradient_sums_to_zero", bnf, forgets_the_normaliser, "of_tokens"),
    Fault("bnf.logit_gradient_of_a_row", bnf, forgets_the_label),
    Fault("bnf.logit_gradient_of_a_row", bnf, divides_by_the_mask),
    Fault("bnf.above_the_reference_is_the_nll", bnf, does_not_cap, "of_tokens"),
    Fault("bnf.fades_far_below_the_reference", bnf, keeps_all, "of_tokens"),
    Fault("bnf.survives_certainty_in_float32", bnf, divides_by_1_minus_pi, "of_tokens"),
]
