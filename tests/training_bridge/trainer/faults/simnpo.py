"""SimNPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import simnpo

Loss = Callable[..., Tensor]


def gamma_within(loss: Loss) -> Loss:
    def faulty(*, beta: float, gamma: float = 0.0, **rest: Any) -> Tensor:
        return loss(beta=beta, gamma=beta * gamma, **rest)

    return faulty


def gamma_turned(loss: Loss) -> Loss:
    def faulty(*, gamma: float = 0.0, **rest: Any) -> Tensor:
        return loss(gamma=-gamma, **rest)

    return faulty


def gamma_of_one(loss: Loss) -> Loss:
    def faulty(*, gamma: float = 1.0, **rest: Any) -> Tensor:
        return loss(gamma=gamma, **rest)

    return faulty


def sums(loss: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, mask: Tensor, **rest: Any) -> Tensor:
        return loss(logprobs=logprobs * mask.sum(1, keepdim=True), mask=mask, **rest)

    return faulty


def counts_padding(loss: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, mask: Tensor, **rest: Any) -> Tensor:
        return loss(logprobs=logprobs * mask.sum(1, keepdim=True) / mask.shape[1], mask=mask, **rest)

    return faulty


def divides_by_nothing(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, mask: Tensor, beta: float, gamma: float = 0.0) -> Tensor:
        means = (mask * logprobs).sum(1) / mask.sum(1)
        return -2 / beta * functional.logsigmoid(-beta * means - gamma)

    return faulty


def ignores_the_mask(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, **rest: Any) -> Tensor:
        return loss(mask=torch.ones_like(mask), **rest)

    return faulty


FAULTS = [
    Fault("simnpo.equals_the_formula", simnpo, gamma_within),
    Fault("simnpo.equals_the_formula", simnpo, gamma_turned),
    Fault("simnpo.equals_the_formula", simnpo, counts_padding),
    Fault("simnpo.equals_the_formula", simnpo, ignores_the_mask),
    Fault("simnpo.gamma_is_beta_times_that_of_the_code", simnpo, gamma_within),
    Fault("simnpo.gamma_is_beta_times_that_of_the_code", simnpo, gamma_turned),
    Fault("simnpo.length_does_not_count", simnpo, sums),
    Fault("simnpo.length_does_not_count", simnpo, counts_padding),
    Fault("simnpo.is_npo_of_the_mean", simnpo, sums),
    Fault("simnpo.is_npo_of_the_mean", simnpo, gamma_of_one),
    Fault("simnpo.no_weight_no_gradient", simnpo, divides_by_nothing),
]
