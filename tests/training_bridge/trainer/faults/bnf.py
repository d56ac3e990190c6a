"""BNF."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from tests.training_bridge.trainer.faults.chunked import recomputes_without_the_target
from training_bridge.trainer import chunked, logprobs
from training_bridge.trainer.losses import bnf
from training_bridge.trainer.recipes import bnf as recipe

Loss = Callable[..., Tensor]


def lets_the_target_learn(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, entropies: Tensor, references: Tensor) -> Tensor:
        log_kept = (logprobs - references).clamp(max=0)
        shared = torch.expm1(log_kept) / torch.expm1(logprobs)
        return shared * (entropies + logprobs.exp() * logprobs) - log_kept.exp() * logprobs

    return faulty


def shares_with_the_token_itself(_: Loss) -> Loss:
    """1 - f goes to all tokens in proportion to pi, the one that was said among them."""

    def faulty(*, logprobs: Tensor, entropies: Tensor, references: Tensor) -> Tensor:
        said = logprobs.detach()
        kept = (said - references).clamp(max=0).exp()
        return (1 - kept) * entropies - kept * logprobs

    return faulty


def weighs_by_the_ratio(_: Loss) -> Loss:
    """As if f alone weighed the token: the push of pi/pi_ref, not of the odds, which for rare tokens is near."""

    def faulty(*, logprobs: Tensor, entropies: Tensor, references: Tensor) -> Tensor:
        return -(logprobs.detach() - references).clamp(max=0).exp() * logprobs

    return faulty


def subtracts_in_float32(of_tokens: Loss) -> Loss:
    """1 - (1 - f) / (1 - pi) instead of the odds: nothing is left of it where the token is rare."""

    def faulty(*, logprobs: Tensor, references: Tensor, **rest: Any) -> Tensor:
        said = logprobs.detach()
        pulls = 1 - (1 - (said - references).clamp(max=0).exp()) / (1 - said.exp())
        value = of_tokens(logprobs=said, references=references, **rest)
        return value + pulls * (said - logprobs)

    return faulty


def divides_by_1_minus_pi(_: Loss) -> Loss:
    def faulty(*, logprobs: Tensor, entropies: Tensor, references: Tensor) -> Tensor:
        said = logprobs.detach()
        kept = (said - references).clamp(max=0).exp()
        return (kept - said.exp()) / (1 - said.exp()) * -logprobs

    return faulty


def does_not_cap(of_tokens: Loss) -> Loss:
    """f may exceed 1: so it does where the reference is below the policy."""

    def faulty(*, logprobs: Tensor, references: Tensor, **rest: Any) -> Tensor:
        kept = (logprobs.detach() - references).exp()
        return of_tokens(logprobs=logprobs, references=references, **rest) - (kept - 1).clamp(min=0) * logprobs

    return faulty


def keeps_all(of_tokens: Loss) -> Loss:
    def faulty(*, references: Tensor, **rest: Any) -> Tensor:
        return of_tokens(references=torch.full_like(references, -50.0), **rest)

    return faulty


def forgets_the_label(loss: Loss) -> Loss:
    def faulty(*, labels: Tensor, **rest: Any) -> Tensor:
        return loss(labels=torch.ones_like(labels), **rest)

    return faulty


def divides_by_the_mask(loss: Loss) -> Loss:
    def faulty(*, mask: Tensor, real: Tensor, **rest: Any) -> Tensor:
        return loss(mask=mask, real=mask, **rest)

    return faulty


def forgets_the_entropies(with_entropy: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., tuple[Tensor, Tensor]]:
    def faulty(*of: Any) -> tuple[Tensor, Tensor]:
        found, entropies = with_entropy(*of)
        return found, torch.zeros_like(entropies)

    return faulty


def penalises_whole_answers(loss: Callable[..., Any]) -> Callable[..., Any]:
    """Spans are not looked at."""

    def faulty(settings: Any, policy: Any, rows: Any, step: Any) -> Any:
        masks = [row.item.mask for row in rows]
        for row in rows:
            row.item.mask = None
        found = loss(settings, policy, rows, step)
        for row, mask in zip(rows, masks, strict=True):
            row.item.mask = mask
        return found

    return faulty


FAULTS = [
    Fault("bnf.equals_the_formula", bnf, lets_the_target_learn, "of_tokens"),
    Fault("bnf.equals_the_formula", bnf, shares_with_the_token_itself, "of_tokens"),
    Fault("bnf.equals_the_formula", bnf, weighs_by_the_ratio, "of_tokens"),
    Fault("bnf.logit_gradient_sums_to_zero", chunked, recomputes_without_the_target, "_pull"),
    Fault("bnf.logit_gradient_of_a_row", bnf, forgets_the_label),
    Fault("bnf.logit_gradient_of_a_row", bnf, divides_by_the_mask),
    Fault("bnf.above_the_reference_is_the_nll", bnf, does_not_cap, "of_tokens"),
    Fault("bnf.fades_far_below_the_reference", bnf, keeps_all, "of_tokens"),
    Fault("bnf.fades_far_below_the_reference", bnf, subtracts_in_float32, "of_tokens"),
    Fault("bnf.survives_certainty_in_float32", bnf, divides_by_1_minus_pi, "of_tokens"),
    Fault("bnf.in_chunks_equals_the_whole_distributions", logprobs, forgets_the_entropies, "with_entropy"),
    Fault("bnf.in_chunks_equals_the_whole_distributions", bnf, weighs_by_the_ratio, "of_tokens"),
    Fault("bnf.in_chunks_equals_the_whole_distributions", recipe, penalises_whole_answers),
]
