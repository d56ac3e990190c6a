"""SimNPO from arXiv:2410.07163 in floats, gamma outside the factor beta."""

from __future__ import annotations

import math
from collections.abc import Sequence


def margin(*, logprobs: Sequence[float], weights: Sequence[float], beta: float, gamma: float) -> float:
    total = sum(weight * logprob for weight, logprob in zip(weights, logprobs, strict=True))
    return -(beta / sum(weights)) * total - gamma


def loss(*, logprobs: Sequence[float], weights: Sequence[float], beta: float, gamma: float) -> float:
    far = margin(logprobs=logprobs, weights=weights, beta=beta, gamma=gamma)
    return 2 / beta * (max(-far, 0) + math.log1p(math.exp(-abs(far))))


def gradient(*, logprobs: Sequence[float], weights: Sequence[float], beta: float, gamma: float) -> list[float]:
    """By each token's log-prob."""
    push = 2 / (1 + math.exp(margin(logprobs=logprobs, weights=weights, beta=beta, gamma=gamma)))
    return [push * weight / sum(weights) for weight in weights]


def loss_of_the_code(*, logprobs: Sequence[float], beta: float, gamma: float) -> float:
    """As in the authors' TOFU code: gamma within the bracket that beta multiplies."""
    bracket = -sum(logprobs) / len(logprobs) - gamma
    return -(2 / beta) * math.log(1 / (1 + math.exp(-beta * bracket)))
