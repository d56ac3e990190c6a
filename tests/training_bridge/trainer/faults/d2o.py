"""D2O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import d2o


def divides_twice(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, anchors: Tensor, **rest: Any) -> Tensor:
        return loss(anchors=anchors / anchors.shape[1], **rest)

    return faulty


def halves_alpha(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, alpha: float, **rest: Any) -> Tensor:
        return loss(alpha=alpha / 2, **rest)

    return faulty


FAULTS = [
    Fault("d2o.equals_the_formula", d2o, divides_twice),
    Fault("d2o.with_one_anchor_is_dpo", d2o, halves_alpha),
]
