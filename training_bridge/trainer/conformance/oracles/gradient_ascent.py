"""Gradient ascent and the divergence of arXiv:2310.10683 in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def loss(*, logprobs: Sequence[float], weights: Sequence[float]) -> float:
    return sum(weight * logprob for weight, logprob in zip(weights, logprobs, strict=True)) / sum(weights)


def gradient(*, weights: Sequence[float]) -> list[float]:
    """By each token's log-prob."""
    return [weight / sum(weights) for weight in weights]


def softmax(logits: Sequence[float]) -> list[float]:
    powers = [math.exp(each - max(logits)) for each in logits]
    return [each / sum(powers) for each in powers]


def log_softmax(logits: Sequence[float]) -> list[float]:
    total = max(logits) + math.log(sum(math.exp(each - max(logits)) for each in logits))
    return [each - total for each in logits]


def divergence(*, logits: Sequence[float], references: Sequence[float]) -> float:
    pairs = zip(softmax(references), log_softmax(references), log_softmax(logits), strict=True)
    return math.fsum(share * (wanted - found) for share, wanted, found in pairs)


def divergence_gradient(*, logits: Sequence[float], references: Sequence[float]) -> list[float]:
    """By each logit of the policy: pi - pi_ref."""
    return [found - wanted for found, wanted in zip(softmax(logits), softmax(references), strict=True)]
