"""The stored reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import data, models, reference

Attach = Callable[..., None]


def found_by_completion_alone(attach: Attach) -> Attach:
    """The cache forgets the prompt: a completion that was scored once is not scored again under another."""

    def faulty(*, items: Sequence[data.Encoded], **rest: Any) -> None:
        attach(items=items, **rest)
        known: dict[tuple[int, ...], Tensor | None] = {}
        for item in items:
            item.reference = known.setdefault(tuple(item.ids[item.prompt_length :]), item.reference)

    return faulty


def one_token_late(attach: Attach) -> Attach:
    def faulty(*, items: Sequence[data.Encoded], **rest: Any) -> None:
        attach(items=items, **rest)
        for item in items:
            assert item.reference is not None
            item.reference = item.reference.roll(1)

    return faulty


def after_training(attach: Attach) -> Attach:
    """The starting model is asked when it has already moved."""

    def faulty(*, policy: models.Policy, **rest: Any) -> None:
        weights = [each for each in policy.trainable().values() if each.dim() > 1]
        before = [each.detach().clone() for each in weights]
        with torch.no_grad():
            for each in weights:
                each.add_(0.01 * torch.arange(each.numel()).reshape(each.shape).sin())
            attach(policy=policy, **rest)
            for each, old in zip(weights, before, strict=True):
                each.copy_(old)

    return faulty


FAULTS = [
    Fault("reference.cached_equals_live", reference, found_by_completion_alone, "attach"),
    Fault("reference.cached_equals_live", reference, one_token_late, "attach"),
    Fault("reference.cached_equals_live", reference, after_training, "attach"),
    Fault("reference.cached_equals_the_adapter_off", reference, after_training, "attach"),
    Fault("reference.cached_equals_the_adapter_off", reference, one_token_late, "attach"),
]
