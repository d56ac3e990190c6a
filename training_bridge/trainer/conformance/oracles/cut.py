"""CUT from arXiv:2312.14591, eq. 5-6, in floats: probabilities without (`said`) and with the critique (`told`)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def wrong(*, said: Sequence[float], told: Sequence[float], threshold: float) -> list[bool]:
    return [with_critique - threshold * p > 0 for p, with_critique in zip(said, told, strict=True)]


def loss(*, said: Sequence[float], told: Sequence[float], threshold: float, alpha: float, gamma: float) -> float:
    found = wrong(said=said, told=told, threshold=threshold)
    terms = [
        alpha * with_critique**gamma * math.log1p(-p) if is_wrong else math.log(p)
        for p, with_critique, is_wrong in zip(said, told, found, strict=True)
    ]
    return -sum(terms) / len(terms)


def gradient(
    *, said: Sequence[float], told: Sequence[float], threshold: float, alpha: float, gamma: float
) -> list[float]:
    """By each token's log-prob without the critique."""
    found = wrong(said=said, told=told, threshold=threshold)
    return [
        (alpha * with_critique**gamma * p / (1 - p) if is_wrong else -1) / len(said)
        for p, with_critique, is_wrong in zip(said, told, found, strict=True)
    ]
