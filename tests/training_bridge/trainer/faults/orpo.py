"""ORPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import orpo

Loss = Callable[..., Tensor]


def swaps_the_pair(loss: Loss) -> Loss:
    def faulty(*, chosen: Tensor, rejected: Tensor, **rest: Any) -> Tensor:
        return loss(chosen=rejected, rejected=chosen, **rest)

    return faulty


def takes_probabilities_for_odds(_: Loss) -> Loss:
    def faulty(*, chosen: Tensor, rejected: Tensor, nll: Tensor, weight: float) -> Tensor:
        return nll - weight * functional.logsigmoid(chosen - rejected)

    return faulty


def adds_the_odds_anyway(loss: Loss) -> Loss:
    def faulty(*, weight: float, **rest: Any) -> Tensor:
        return loss(weight=weight + 0.1, **rest)

    return faulty


def subtracts_from_1(_: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda means: means - torch.log(1 - torch.exp(means))


FAULTS = [
    Fault("orpo.equals_the_formula", orpo, swaps_the_pair),
    Fault("orpo.equals_the_formula", orpo, takes_probabilities_for_odds),
    Fault("orpo.keeps_its_digits_in_float32", orpo, subtracts_from_1, "_log_odds"),
    Fault("orpo.survives_certainty", orpo, subtracts_from_1, "_log_odds"),
    Fault("orpo.without_weight_is_the_nll", orpo, adds_the_odds_anyway),
]
