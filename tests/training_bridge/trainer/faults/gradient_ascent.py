"""Gradient ascent and its guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import divergence
from training_bridge.trainer.losses import gradient_ascent

Loss = Callable[..., Tensor]


def descends(loss: Loss) -> Loss:
    return lambda **asked: -loss(**asked)


def counts_padding(_: Loss) -> Loss:
    return lambda *, logprobs, mask: (mask * logprobs).mean(1)


def lets_go(_: Loss) -> Loss:
    return lambda *, logprobs, mask: (mask * logprobs.exp()).sum(1) / mask.sum(1)


def divides_by_nothing(_: Loss) -> Loss:
    return lambda *, logprobs, mask: (mask * logprobs).sum(1) / mask.sum(1)


def turned(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, references: Tensor) -> Tensor:
        wanted, found = references.log_softmax(1), logits.log_softmax(1)
        return (found.exp() * (found - wanted)).sum(1)

    return faulty


def averages_over_the_vocabulary(divergence: Loss) -> Loss:
    return lambda *, logits, references: divergence(logits=logits, references=references) / logits.shape[1]


def takes_the_logarithm_of_rounded(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, references: Tensor) -> Tensor:
        wanted, found = references.softmax(1), logits.softmax(1)
        return (wanted * (wanted.log() - found.log())).sum(1)

    return faulty


def cross_entropy(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, references: Tensor) -> Tensor:
        return -(references.detach().softmax(1) * logits.log_softmax(1)).sum(1)

    return faulty


def forgets_to_normalise(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, references: Tensor) -> Tensor:
        wanted = references.detach().log_softmax(1)
        return (wanted.exp() * (wanted - logits)).sum(1)

    return faulty


def trains_the_reference(_: Loss) -> Loss:
    def faulty(*, logits: Tensor, references: Tensor) -> Tensor:
        return torch.nn.functional.kl_div(
            logits.log_softmax(1), references.log_softmax(1), reduction="none", log_target=True
        ).sum(1)

    return faulty


def forgets_the_cap(_: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The gradient by the logits is taken for the one by what the linear layer says."""
    return lambda how, logits, references: (logits.softmax(1) - references.softmax(1)).to(how.dtype)


def keeps_the_head_itself(_: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda weight: weight


def drops_the_last_chunk(chunks: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *of: list(chunks(*of))[:-1]


FAULTS = [
    Fault("gradient_ascent.equals_the_formula", gradient_ascent, descends),
    Fault("gradient_ascent.equals_the_formula", gradient_ascent, counts_padding),
    Fault("gradient_ascent.never_lets_go", gradient_ascent, lets_go),
    Fault("gradient_ascent.no_weight_no_gradient", gradient_ascent, divides_by_nothing),
    Fault("gradient_ascent.divergence_equals_the_formula", gradient_ascent, turned, "divergence"),
    Fault("gradient_ascent.divergence_equals_the_formula", gradient_ascent, averages_over_the_vocabulary, "divergence"),
    Fault(
        "gradient_ascent.divergence_equals_the_formula", gradient_ascent, takes_the_logarithm_of_rounded, "divergence"
    ),
    Fault("gradient_ascent.divergence_starts_at_zero", gradient_ascent, cross_entropy, "divergence"),
    Fault("gradient_ascent.divergence_starts_at_zero", gradient_ascent, forgets_to_normalise, "divergence"),
    Fault("gradient_ascent.divergence_leaves_the_reference", gradient_ascent, trains_the_reference, "divergence"),
    Fault("gradient_ascent.divergence_in_chunks_equals_the_whole_logits", divergence._How, forgets_the_cap, "pull"),
    Fault(
        "gradient_ascent.divergence_in_chunks_equals_the_whole_logits", divergence._How, drops_the_last_chunk, "chunks"
    ),
    Fault("gradient_ascent.divergence_stays_with_the_starting_model", divergence, keeps_the_head_itself, "_kept"),
]
