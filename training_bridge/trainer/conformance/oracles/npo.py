"""NPO from arXiv:2404.05868, eq. 3, in floats."""

from __future__ import annotations

import math


def sigma(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def loss(*, ratio: float, beta: float) -> float:
    """(2/beta) log(1 + exp(beta r)), the larger exponent taken out."""
    return 2 / beta * (max(beta * ratio, 0) + math.log1p(math.exp(-abs(beta * ratio))))


def gradient(*, ratio: float, beta: float) -> float:
    return 2 * sigma(beta * ratio)
