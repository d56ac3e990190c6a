"""DPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import dpo

Loss = Callable[..., Tensor]


def swaps_the_pair(loss: Loss) -> Loss:
    def faulty(*, chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
        return loss(chosen=rejected, rejected=chosen, beta=beta)

    return faulty


def forgets_beta(loss: Loss) -> Loss:
    def faulty(*, beta: float, **ratios: Any) -> Tensor:
        return loss(beta=1.0, **ratios)

    return faulty


def divides_by_beta(loss: Loss) -> Loss:
    def faulty(*, beta: float, **ratios: Any) -> Tensor:
        return loss(beta=beta, **ratios) / beta

    return faulty


def takes_the_log_of_a_sigmoid(_: Loss) -> Loss:
    def faulty(*, chosen: Tensor, rejected: Tensor, beta: float) -> Tensor:
        return -torch.log(torch.sigmoid(beta * (chosen - rejected)))

    return faulty


FAULTS = [
    Fault("dpo.equals_the_formula", dpo, swaps_the_pair),
    Fault("dpo.equals_the_formula", dpo, forgets_beta),
    Fault("dpo.starts_at_log_2", dpo, swaps_the_pair),
    Fault("dpo.starts_at_log_2", dpo, divides_by_beta),
    Fault("dpo.stays_finite_in_float32", dpo, takes_the_log_of_a_sigmoid),
]
