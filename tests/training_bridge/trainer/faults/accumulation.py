"""Accumulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import job, loop, models
from training_bridge.trainer.losses import kto as losses
from training_bridge.trainer.recipes import d2o, kto

RecipeLoss = Callable[[job.Job, models.Policy, list[Any]], loop.Loss]


def sums_the_batch(loss: RecipeLoss) -> RecipeLoss:
    def faulty(job: job.Job, policy: models.Policy, rows: list[Any]) -> loop.Loss:
        found = loss(job, policy, rows)
        return dataclasses.replace(found, value=found.value * len(rows))

    return faulty


def weighs_by_tokens(loss: RecipeLoss) -> RecipeLoss:
    """What transformers does with a model's own loss: right for the loss per token, wrong for a loss per row."""

    def faulty(job: job.Job, policy: models.Policy, rows: list[Any]) -> loop.Loss:
        found = loss(job, policy, rows)
        return dataclasses.replace(found, value=found.value * found.tokens / len(rows) / 10)

    return faulty


def divides_by_the_weights(loss: RecipeLoss) -> RecipeLoss:
    """A weighted mean over the micro-batch: a row of one forgets its weight."""

    def faulty(job: job.Job, policy: models.Policy, rows: list[Any]) -> loop.Loss:
        found = loss(job, policy, rows)
        return dataclasses.replace(found, value=found.value * len(rows) / sum(row.weight for row in rows))

    return faulty


def not_divided(train: Callable[..., None]) -> Callable[..., None]:
    """The loop adds its micro-batches up and never divides by their number."""

    def faulty(*, job: job.Job, loss: Callable[[list[Any]], loop.Loss], **rest: Any) -> None:
        def whole(rows: list[Any]) -> loop.Loss:
            found = loss(rows)
            return dataclasses.replace(found, value=found.value * job.settings.gradient_accumulation)

        train(job=job, loss=whole, **rest)

    return faulty


def none_for_one_row(baseline: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, mismatched: Tensor) -> Tensor:
        return baseline(mismatched=mismatched) if len(mismatched) > 1 else torch.zeros(())

    return faulty


def added_up(baseline: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, mismatched: Tensor) -> Tensor:
        return baseline(mismatched=mismatched) * len(mismatched)

    return faulty


FAULTS = [
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, sums_the_batch),
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, weighs_by_tokens),
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, divides_by_the_weights),
    Fault("accumulation.d2o_in_four_equals_at_once", loop, not_divided, "train"),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, sums_the_batch),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, weighs_by_tokens),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, divides_by_the_weights),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", loop, not_divided, "train"),
    Fault("accumulation.kto_with_one_baseline_in_four_equals_at_once", losses, none_for_one_row, "baseline"),
    Fault("accumulation.kto_with_one_baseline_in_four_equals_at_once", losses, added_up, "baseline"),
    Fault("accumulation.kto_baseline_is_by_micro_batch", losses, none_for_one_row, "baseline"),
    Fault("accumulation.kto_baseline_is_by_micro_batch", losses, added_up, "baseline"),
]
