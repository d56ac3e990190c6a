"""NPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import npo

Loss = Callable[..., Tensor]


def forgets_the_two(loss: Loss) -> Loss:
    return lambda **asked: loss(**asked) / 2


def raises_the_rejected(loss: Loss) -> Loss:
    return lambda *, ratios, beta: loss(ratios=-ratios, beta=beta)


def forgets_beta_in_front(loss: Loss) -> Loss:
    return lambda *, ratios, beta: beta * loss(ratios=ratios, beta=beta)


def overflows(_: Loss) -> Loss:
    return lambda *, ratios, beta: 2 / beta * torch.log(1 + torch.exp(beta * ratios))


def detaches_beta_r(loss: Loss) -> Loss:
    def faulty(*, ratios: Tensor, **rest: Any) -> Tensor:
        return loss(ratios=ratios.detach(), **rest) + ratios - ratios.detach()

    return faulty


def takes_a_floor_away(loss: Loss) -> Loss:
    return lambda *, ratios, beta: loss(ratios=ratios, beta=beta) - 0.5


FAULTS = [
    Fault("npo.equals_the_formula", npo, forgets_the_two),
    Fault("npo.equals_the_formula", npo, raises_the_rejected),
    Fault("npo.is_finite_in_float32", npo, overflows),
    Fault("npo.weighs_gradient_ascent_by_twice_sigma", npo, detaches_beta_r),
    Fault("npo.small_beta_is_gradient_ascent", npo, forgets_beta_in_front),
    Fault("npo.small_beta_is_gradient_ascent", npo, forgets_the_two),
    Fault("npo.is_bounded_below_only", npo, takes_a_floor_away),
    Fault("npo.is_bounded_below_only", npo, forgets_the_two),
]
