"""Accumulation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import loop
from training_bridge.trainer.losses import kto as losses
from training_bridge.trainer.recipes import bnf, cut, d2o, gradient_ascent, kto, unpaired

RecipeLoss = Callable[..., loop.Loss]


def by_micro_batch(loss: RecipeLoss) -> RecipeLoss:
    """Each micro-batch is taken for the whole step: its means are its own, and so is its z."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        *before, rows, step = of
        return loss(*before, rows, loop.Step(number=step.number, rows=rows, own=rows), **rest)

    return faulty


def mean_of_means(loss: RecipeLoss) -> RecipeLoss:
    """Each micro-batch's own mean, divided by the number of micro-batches: wrong where they differ in kind."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        *before, rows, step = of
        found = loss(*before, rows, loop.Step(number=step.number, rows=rows, own=rows), **rest)
        share = len(rows) / len(step.rows)
        parts = {name: value * share for name, value in found.parts.items()}
        return dataclasses.replace(found, value=found.value * share, parts=parts)

    return faulty


def weighs_by_tokens(loss: RecipeLoss) -> RecipeLoss:
    """What transformers does with a model's own loss: right for the loss per token, wrong for a loss per row."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        found = loss(*of, **rest)
        return dataclasses.replace(found, value=found.value * found.tokens / len(of[-2]) / 10)

    return faulty


def divides_by_the_weights(loss: RecipeLoss) -> RecipeLoss:
    """A weighted mean over the micro-batch: a row of one forgets its weight."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        found = loss(*of, **rest)
        return dataclasses.replace(found, value=found.value * len(of[-2]) / sum(row.weight for row in of[-2]))

    return faulty


def added_up(baseline: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(*, mismatched: Tensor) -> Tensor:
        return baseline(mismatched=mismatched) * len(mismatched)

    return faulty


def draws_by_turns(draw: Callable[..., Any]) -> Callable[..., Any]:
    """What is drawn depends on how often something was drawn before: on the order of rows, and on interruptions."""
    turns: list[int] = []

    def faulty(self: Any, row: Any, *, step: int) -> Any:
        turns.append(step)
        return draw(self, dataclasses.replace(row, number=1000 + len(turns)), step=step)

    return faulty


FAULTS = [
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, by_micro_batch),
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, weighs_by_tokens),
    Fault("accumulation.d2o_in_four_equals_at_once", d2o, divides_by_the_weights),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, by_micro_batch),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, mean_of_means),
    Fault("accumulation.kto_without_kl_in_four_equals_at_once", kto, weighs_by_tokens),
    Fault("accumulation.kto_in_four_equals_at_once", kto, mean_of_means),
    Fault("accumulation.kto_in_four_equals_at_once", kto, divides_by_the_weights),
    Fault("accumulation.kto_in_four_equals_at_once", losses, added_up, "baseline"),
    Fault("accumulation.npo_in_four_equals_at_once", unpaired, mean_of_means),
    Fault("accumulation.npo_in_four_equals_at_once", unpaired, by_micro_batch),
    Fault("accumulation.bnf_in_four_equals_at_once", bnf, mean_of_means),
    Fault("accumulation.bnf_in_four_equals_at_once", bnf, divides_by_the_weights),
    Fault("accumulation.cut_in_four_equals_at_once", cut, mean_of_means),
    Fault("accumulation.cut_in_four_equals_at_once", cut, by_micro_batch),
    Fault("accumulation.gradient_ascent_in_four_equals_at_once", gradient_ascent, mean_of_means),
    Fault("accumulation.gradient_ascent_in_four_equals_at_once", gradient_ascent.Unrelated, draws_by_turns, "draw"),
]
