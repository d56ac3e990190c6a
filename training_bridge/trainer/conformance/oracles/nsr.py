"""NSR and W-REINFORCE from arXiv:2506.01347, in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def softmax(logits: Sequence[float]) -> list[float]:
    powers = [math.exp(each) for each in logits]
    return [each / sum(powers) for each in powers]


def stated(*, logits: Sequence[float], token: int) -> list[float]:
    """The paper's logit gradient of a wrong token, in the direction of descent."""
    policy = softmax(logits)
    return [-policy[token] * ((each == token) - policy[each]) for each in range(len(policy))]


def loss(
    *, logprobs: Sequence[float], drawn: Sequence[float], mask: Sequence[float], is_right: bool, right_weight: float
) -> float:
    """One row."""
    ratios = [math.exp(now) / math.exp(then) for now, then in zip(logprobs, drawn, strict=True)]
    total = sum(weight * ratio for weight, ratio in zip(mask, ratios, strict=True))
    return -right_weight * total if is_right else total


def objective(*, logits: Sequence[float], right: Sequence[bool], right_weight: float) -> float:
    """Of all answers of two tokens, V first ones and V second ones after each.

    `logits` are V for the first token and V for the second after each first one, V + V*V in all; `right` says of each
    of the V*V answers, in that order, whether it is right.
    """
    size = math.isqrt(len(right))
    first = softmax(logits[:size])
    total = 0.0
    for one in range(size):
        after = softmax(logits[size * (one + 1) : size * (one + 2)])
        for two in range(size):
            total += first[one] * after[two] * (-right_weight if right[one * size + two] else 1.0)
    return total


def gradient(*, logits: Sequence[float], right: Sequence[bool], right_weight: float, step: float = 1e-5) -> list[float]:
    """Of `objective`, by each logit, by central differences."""
    found = []
    for each in range(len(logits)):
        up, down = list(logits), list(logits)
        up[each] += step
        down[each] -= step
        rise = objective(logits=up, right=right, right_weight=right_weight)
        rise -= objective(logits=down, right=right, right_weight=right_weight)
        found.append(rise / (2 * step))
    return found
