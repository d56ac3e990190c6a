"""Unlikelihood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import unlikelihood

Loss = Callable[..., Tensor]


def forgets_the_weight(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, **rest: Any) -> Tensor:
        return loss(mask=(mask > 0).to(mask.dtype), **rest)

    return faulty


def takes_the_others_for_wrong(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, **rest: Any) -> Tensor:
        return loss(mask=(mask == 0).to(mask.dtype), **rest)

    return faulty


def sums(loss: Loss) -> Loss:
    return lambda **asked: loss(**asked) * asked["real"].sum(1)


def counts_padding(loss: Loss) -> Loss:
    def faulty(*, real: Tensor, **rest: Any) -> Tensor:
        return loss(real=torch.ones_like(real), **rest)

    return faulty


def is_naive(_: Loss) -> Loss:
    return lambda *, logprobs: -torch.log(1 - logprobs.exp())


def only_clamps(_: Loss) -> Loss:
    return lambda *, logprobs: -torch.log(-torch.expm1(logprobs.clamp(max=-unlikelihood.FLOOR)))


def has_a_high_floor(_: Loss) -> Loss:
    return lambda *, logprobs: -torch.log(1 + 1e-4 - logprobs.exp())


def jumps(penalty: Loss) -> Loss:
    def faulty(*, logprobs: Tensor) -> Tensor:
        return penalty(logprobs=logprobs) + (logprobs > -unlikelihood.FLOOR)

    return faulty


def has_a_steep_tangent(penalty: Loss) -> Loss:
    def faulty(*, logprobs: Tensor) -> Tensor:
        return penalty(logprobs=logprobs) + torch.relu(logprobs + unlikelihood.FLOOR) / unlikelihood.FLOOR

    return faulty


FAULTS = [
    Fault("unlikelihood.equals_the_formula", unlikelihood, forgets_the_weight),
    Fault("unlikelihood.equals_the_formula", unlikelihood, takes_the_others_for_wrong),
    Fault("unlikelihood.equals_the_formula", unlikelihood, sums),
    Fault("unlikelihood.no_weight_is_likelihood", unlikelihood, takes_the_others_for_wrong),
    Fault("unlikelihood.no_weight_is_likelihood", unlikelihood, sums),
    Fault("unlikelihood.padding_does_not_count", unlikelihood, counts_padding),
    Fault("unlikelihood.certain_and_wrong_is_finite_and_pushed", unlikelihood, is_naive, "penalty"),
    Fault("unlikelihood.certain_and_wrong_is_finite_and_pushed", unlikelihood, only_clamps, "penalty"),
    Fault("unlikelihood.floor_leaves_the_rest_exact", unlikelihood, has_a_high_floor, "penalty"),
    Fault("unlikelihood.floor_leaves_the_rest_exact", unlikelihood, jumps, "penalty"),
    Fault("unlikelihood.floor_leaves_the_rest_exact", unlikelihood, only_clamps, "penalty"),
    Fault("unlikelihood.rare_and_wrong_keeps_its_digits", unlikelihood, only_clamps, "penalty"),
    Fault("unlikelihood.rare_and_wrong_keeps_its_digits", unlikelihood, is_naive, "penalty"),
    Fault("unlikelihood.push_on_a_logit_is_at_most_one", unlikelihood, has_a_steep_tangent, "penalty"),
    Fault("unlikelihood.push_on_a_logit_is_at_most_one", unlikelihood, only_clamps, "penalty"),
]
