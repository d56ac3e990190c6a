"""CUT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import cut, unlikelihood

Loss = Callable[..., Tensor]


def turned(wrong_tokens: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, with_critique: Tensor, threshold: float) -> Tensor:
        return wrong_tokens(logprobs=with_critique, with_critique=logprobs, threshold=threshold)

    return faulty


def takes_the_threshold_for_nats(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, with_critique: Tensor, threshold: float) -> Tensor:
        return (with_critique - logprobs > threshold).to(logprobs.dtype)

    return faulty


def takes_equal_for_wrong(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, with_critique: Tensor, threshold: float) -> Tensor:
        return (with_critique - logprobs > -abs(threshold - 1)).to(logprobs.dtype)

    return faulty


def weighs_without_the_critique(loss: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, alpha: float, gamma: float, **rest: Any) -> Tensor:
        return loss(logprobs=logprobs, alpha=alpha * (gamma * logprobs.detach()).exp(), gamma=0.0, **rest)

    return faulty


def forgets_gamma(loss: Loss) -> Loss:
    def faulty(*, gamma: float, **rest: Any) -> Tensor:
        return loss(gamma=0.0, **rest)

    return faulty


def forgets_alpha(loss: Loss) -> Loss:
    def faulty(*, alpha: float, **rest: Any) -> Tensor:
        return loss(alpha=1.0, **rest)

    return faulty


def counts_padding(loss: Loss) -> Loss:
    def faulty(*, real: Tensor, **rest: Any) -> Tensor:
        return loss(real=torch.ones_like(real), **rest)

    return faulty


def passes_weights_as_a_mask(_: Loss) -> Loss:
    def faulty(
        *, logprobs: Tensor, with_critique: Tensor, real: Tensor, threshold: float, alpha: float, gamma: float
    ) -> Tensor:
        wrong = cut.wrong_tokens(logprobs=logprobs, with_critique=with_critique, threshold=threshold)
        mask = wrong * alpha * (gamma * with_critique.detach()).exp()
        return unlikelihood.loss(logprobs=logprobs, mask=mask, real=real)

    return faulty


def trains_the_critic(loss: Loss) -> Loss:
    def faulty(*, with_critique: Tensor, gamma: float, **rest: Any) -> Tensor:
        return loss(with_critique=with_critique, gamma=gamma, **rest) * (gamma * with_critique).exp().mean(1)

    return faulty


FAULTS = [
    Fault("cut.equals_the_formula", cut, turned, "wrong_tokens"),
    Fault("cut.equals_the_formula", cut, weighs_without_the_critique),
    Fault("cut.equals_the_formula", cut, forgets_gamma),
    Fault("cut.equals_the_formula", cut, forgets_alpha),
    Fault("cut.what_the_critique_makes_likelier_is_wrong", cut, turned, "wrong_tokens"),
    Fault("cut.a_higher_threshold_finds_fewer", cut, takes_the_threshold_for_nats, "wrong_tokens"),
    Fault("cut.a_critique_that_changes_nothing_is_likelihood", cut, takes_equal_for_wrong, "wrong_tokens"),
    Fault("cut.is_unlikelihood_with_a_mask", cut, forgets_alpha),
    Fault("cut.is_unlikelihood_with_a_mask", cut, counts_padding),
    Fault("cut.a_wrong_token_is_never_raised", cut, passes_weights_as_a_mask),
    Fault("cut.the_critique_only_judges", cut, trains_the_critic),
]
