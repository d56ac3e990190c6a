"""Pairs, as the recipes run them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import loop
from training_bridge.trainer.recipes import paired, sft, unpaired

RecipeLoss = Callable[..., loop.Loss]


def by_micro_batch(loss: RecipeLoss) -> RecipeLoss:
    """Each micro-batch is taken for the whole step."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        *before, rows, step = of
        return loss(*before, rows, loop.Step(number=step.number, rows=rows, own=rows), **rest)

    return faulty


def divides_by_the_weights(loss: RecipeLoss) -> RecipeLoss:
    """A weighted mean over the micro-batch: a row of one forgets its weight."""

    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        found = loss(*of, **rest)
        return dataclasses.replace(found, value=found.value * len(of[-2]) / sum(row.weight for row in of[-2]))

    return faulty


def parts_by_micro_batch(loss: RecipeLoss) -> RecipeLoss:
    def faulty(*of: Any, **rest: Any) -> loop.Loss:
        found = loss(*of, **rest)
        parts = {name: each * len(of[-1].rows) / len(of[-2]) for name, each in found.parts.items()}
        return dataclasses.replace(found, parts=parts)

    return faulty


def without_masks(loss: RecipeLoss) -> RecipeLoss:
    """Whole answers are compared, whatever was marked."""

    def faulty(settings: Any, policy: Any, rows: Sequence[paired.Row], *rest: Any, **more: Any) -> loop.Loss:
        whole = [dataclasses.replace(row, rejected=dataclasses.replace(row.rejected, mask=None)) for row in rows]
        return loss(settings, policy, whole, *rest, **more)

    return faulty


def turned_round(answers: Callable[..., Any]) -> Callable[..., Any]:
    """The rejected answers come first, and are preferred."""

    def faulty(rows: Sequence[paired.Row]) -> list[Any]:
        return [row.rejected for row in rows] + [row.chosen for row in rows]

    return faulty


def interleaved(answers: Callable[..., Any]) -> Callable[..., Any]:
    """Chosen, rejected, chosen, rejected: the halves are mixed."""

    def faulty(rows: Sequence[paired.Row]) -> list[Any]:
        return [each for row in rows for each in (row.chosen, row.rejected)]

    return faulty


def over_all_tokens(ratios: Callable[..., Any]) -> Callable[..., Any]:
    def faulty(tokens: unpaired.Tokens) -> torch.Tensor:
        return ratios(dataclasses.replace(tokens, mask=tokens.real))  # type: ignore[no-any-return]

    return faulty


FAULTS = [
    Fault("pairs.dpo_step_equals_the_formula", paired, without_masks),
    Fault("pairs.dpo_step_equals_the_formula", unpaired.Tokens, over_all_tokens, "ratios"),
    Fault("pairs.dpo_step_equals_the_formula", paired, divides_by_the_weights),
    Fault("pairs.dpo_step_equals_the_formula", paired, turned_round, "answers"),
    Fault("pairs.dpo_step_equals_the_formula", paired, interleaved, "answers"),
    Fault("pairs.orpo_step_equals_the_formula", paired, without_masks),
    Fault("pairs.orpo_step_equals_the_formula", paired, divides_by_the_weights),
    Fault("pairs.orpo_step_equals_the_formula", paired, turned_round, "answers"),
    Fault("pairs.dpo_in_four_equals_at_once", paired, by_micro_batch),
    Fault("pairs.dpo_in_four_equals_at_once", paired, divides_by_the_weights),
    Fault("pairs.dpo_in_four_equals_at_once", paired, parts_by_micro_batch),
    Fault("pairs.orpo_in_four_equals_at_once", paired, by_micro_batch),
    Fault("pairs.orpo_in_four_equals_at_once", paired, divides_by_the_weights),
    Fault("pairs.sft_in_four_equals_at_once", sft, by_micro_batch),
    Fault("pairs.sft_in_four_equals_at_once", sft, divides_by_the_weights),
]
