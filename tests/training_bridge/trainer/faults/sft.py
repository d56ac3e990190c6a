"""SFT."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import sft

Loss = Callable[..., Tensor]


def adds_instead_of_a_mean(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, real: Tensor) -> Tensor:
        return -(real * logprobs).sum(1)

    return faulty


def takes_one_mean_over_all_tokens(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, real: Tensor) -> Tensor:
        return -(real * logprobs).sum(1) / real.sum() * len(real)

    return faulty


def divides_by_the_width(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, real: Tensor) -> Tensor:
        return -(real * logprobs).mean(1)

    return faulty


FAULTS = [
    Fault("sft.equals_the_formula", sft, adds_instead_of_a_mean),
    Fault("sft.equals_the_formula", sft, takes_one_mean_over_all_tokens),
    Fault("sft.leaves_padding_out", sft, divides_by_the_width),
]
