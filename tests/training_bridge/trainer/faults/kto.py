"""KTO."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer.losses import kto
from training_bridge.trainer.recipes import kto as recipe

Loss = Callable[..., Tensor]


def labels_turned_round(loss: Loss) -> Loss:
    def faulty(*, is_desirable: Tensor, **rest: Any) -> Tensor:
        return loss(is_desirable=~is_desirable, **rest)

    return faulty


def baseline_turned_round(loss: Loss) -> Loss:
    def faulty(*, baseline: Tensor, **rest: Any) -> Tensor:
        return loss(baseline=-baseline, **rest)

    return faulty


def through_exponentials(_: Loss) -> Loss:
    """The same formula, but exp is taken of whatever comes: inf / inf is not a number."""

    def faulty(
        *,
        ratios: Tensor,
        is_desirable: Tensor,
        baseline: Tensor,
        beta: float,
        desirable_weight: float,
        undesirable_weight: float,
    ) -> Tensor:
        margins = torch.where(is_desirable, ratios - baseline, baseline - ratios)
        risen = torch.exp(beta * margins)
        return torch.where(is_desirable, desirable_weight, undesirable_weight) * (1 - risen / (1 + risen))

    return faulty


def log_sigmoid(loss: Loss) -> Loss:
    """DPO's -log sigma in place of 1 - sigma."""

    def faulty(**given: Any) -> Tensor:
        return -torch.log1p(-loss(**given))

    return faulty


def weights_ignored(loss: Loss) -> Loss:
    def faulty(*, desirable_weight: float = 1.0, undesirable_weight: float = 1.0, **rest: Any) -> Tensor:
        return loss(**rest)

    return faulty


def weights_swapped(loss: Loss) -> Loss:
    def faulty(*, desirable_weight: float, undesirable_weight: float, **rest: Any) -> Tensor:
        return loss(desirable_weight=undesirable_weight, undesirable_weight=desirable_weight, **rest)

    return faulty


def not_clamped(_: Loss) -> Loss:
    return lambda *, mismatched: mismatched.detach().mean()


def with_gradient(_: Loss) -> Loss:
    return lambda *, mismatched: mismatched.mean().clamp(min=0)


def row_clamped_before_the_mean(_: Loss) -> Loss:
    return lambda *, mismatched: mismatched.detach().clamp(min=0).mean()


def shifted_by_one(_: Callable[..., Any]) -> Callable[..., Any]:
    """Each row takes the one before it, whatever its prompt."""

    def faulty(prompts: Sequence[str], *, seed: int) -> list[int | None]:
        return [(row - 1) % len(prompts) for row in range(len(prompts))]

    return faulty


def always_one_partner(partners: Callable[..., Any]) -> Callable[..., Any]:
    """Never the own prompt, but the same two rows serve everybody."""

    def faulty(prompts: Sequence[str], *, seed: int) -> list[int | None]:
        other = next(row for row, prompt in enumerate(prompts) if prompt != prompts[0])
        return [other if prompt == prompts[0] else 0 for prompt in prompts]

    return faulty


FAULTS = [
    Fault("kto.equals_the_formula", kto, labels_turned_round),
    Fault("kto.equals_the_formula", kto, baseline_turned_round),
    Fault("kto.equals_the_formula", kto, weights_swapped),
    Fault("kto.stays_finite_far_out", kto, through_exponentials),
    Fault("kto.rejected_alone_is_sigma_of_beta_r", kto, log_sigmoid),
    Fault("kto.baseline_is_a_clamped_constant", kto, not_clamped, "baseline"),
    Fault("kto.baseline_is_a_clamped_constant", kto, with_gradient, "baseline"),
    Fault("kto.baseline_is_a_clamped_constant", kto, row_clamped_before_the_mean, "baseline"),
    Fault("kto.class_weights_scale_their_class", kto, weights_ignored),
    Fault("kto.class_weights_scale_their_class", kto, weights_swapped),
    Fault("kto.mismatched_pairs_are_mismatched", recipe, shifted_by_one, "partners"),
    Fault("kto.mismatched_pairs_are_mismatched", recipe, always_one_partner, "partners"),
]
