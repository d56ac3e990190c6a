"""NSR and W-REINFORCE."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import nsr

Loss = Callable[..., Tensor]


def takes_the_log(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, drawn: Tensor, mask: Tensor, is_right: Tensor, right_weight: float) -> Tensor:
        weights = torch.where(is_right, right_weight, -1.0)
        return -weights * (mask * (logprobs - drawn)).sum(1)

    return faulty


def lowers_pi_itself(loss: Loss) -> Loss:
    def faulty(*, drawn: Tensor, **rest: Any) -> Tensor:
        return loss(drawn=torch.zeros_like(drawn), **rest)

    return faulty


def raises_what_was_wrong(loss: Loss) -> Loss:
    return lambda **given: -loss(**given)


def weighs_the_wrong(loss: Loss) -> Loss:
    def faulty(*, is_right: Tensor, **rest: Any) -> Tensor:
        return -loss(is_right=~is_right, **rest)

    return faulty


def weighs_all_alike(loss: Loss) -> Loss:
    def faulty(*, right_weight: float, **rest: Any) -> Tensor:
        return right_weight * loss(right_weight=1.0, **rest)

    return faulty


def takes_a_mean(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, **rest: Any) -> Tensor:
        return loss(mask=mask / mask.shape[1], **rest)

    return faulty


def forgets_the_mask(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, **rest: Any) -> Tensor:
        return loss(mask=torch.ones_like(mask), **rest)

    return faulty


FAULTS = [
    Fault("nsr.has_the_stated_logit_gradient", nsr, takes_the_log),
    Fault("nsr.has_the_stated_logit_gradient", nsr, raises_what_was_wrong),
    Fault("nsr.has_it_on_average_over_draws", nsr, lowers_pi_itself),
    Fault("nsr.is_the_policy_gradient_of_answers", nsr, lowers_pi_itself),
    Fault("nsr.is_the_policy_gradient_of_answers", nsr, takes_a_mean),
    Fault("nsr.lambda_scales_the_mean_gradient", nsr, weighs_all_alike),
    Fault("nsr.equals_the_formula", nsr, takes_the_log),
    Fault("nsr.equals_the_formula", nsr, forgets_the_mask),
    Fault("nsr.leaves_right_answers_alone", nsr, weighs_the_wrong),
]
