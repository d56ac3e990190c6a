"""Unlikelihood of wrong tokens (arXiv:1908.04319) and likelihood of the others, in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def loss(*, probabilities: Sequence[float], weights: Sequence[float]) -> float:
    """One completion without padding; a weight above 0 marks a wrong token."""
    pairs = list(zip(probabilities, weights, strict=True))
    terms = [-weight * math.log1p(-p) if weight else -math.log(p) for p, weight in pairs]
    return sum(terms) / len(terms)


def gradient(*, probabilities: Sequence[float], weights: Sequence[float]) -> list[float]:
    """By each token's log-prob."""
    pairs = list(zip(probabilities, weights, strict=True))
    return [(weight * p / (1 - p) if weight else -1) / len(pairs) for p, weight in pairs]


def at_certainty(*, floor: float) -> tuple[float, float]:
    """Value and slope at p = 1 of the tangent to -log(1 - p) at log p = -floor."""
    slope = math.exp(-floor) / -math.expm1(-floor)
    return -math.log(-math.expm1(-floor)) + slope * floor, slope
