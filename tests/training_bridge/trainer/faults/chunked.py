"""Log-probs in chunks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import chunked, heads


def drops_the_last_chunk(by_head: Callable[..., Any]) -> Callable[..., Any]:
    """The head's gradient lacks the last, unfilled chunk."""

    def faulty(ctx: Any, by_found: Tensor) -> Any:
        size = 16 * (len(by_found) // 16)
        by_found = by_found.clone()
        by_found[size:] = 0
        return by_head(ctx, by_found)

    return faulty


def recomputes_without_the_target(pull: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The softmax alone: as if log pi(y) did not rise with the logit of y."""

    def faulty(logits: Tensor, targets: Tensor, totals: Tensor, head: heads.Head) -> Tensor:
        kept = logits.gather(1, targets[:, None]).clone()
        found = pull(logits, targets, totals, head)
        return found.scatter_(1, targets[:, None], -(kept - totals[:, None]).exp())

    return faulty


def takes_one_token_too_few(described: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The mass of the k - 1 likeliest tokens."""
    return lambda logits, targets, *, top: described(logits, targets, top=top - 1)


def forgets_what_follows(of: Callable[..., heads.Head]) -> Callable[..., heads.Head]:
    """The linear layer's own numbers are taken for the logits."""
    return lambda model, **rest: dataclasses.replace(of(model, **rest), factor=1.0, cap=0.0)


FAULTS = [
    Fault("chunked.equals_the_whole_logits", chunked, drops_the_last_chunk, "_by_head"),
    Fault("chunked.equals_the_whole_logits_of_a_tied_head", chunked, recomputes_without_the_target, "_pull"),
    Fault("chunked.spreads_as_the_whole_distributions_do", chunked, takes_one_token_too_few, "described"),
    Fault("chunked.respects_what_follows_the_head", heads, forgets_what_follows, "of"),
]
