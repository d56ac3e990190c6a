"""KTO from arXiv:2402.01306, eq. 7-8, in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def sigma(value: float) -> float:
    """The logistic function; exp is never taken of a large number."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))


def loss(*, ratio: float, is_desirable: bool, baseline: float, beta: float, weight: float) -> float:
    """One row: its log-ratio, its label, z, and the weight of its class."""
    margin = ratio - baseline if is_desirable else baseline - ratio
    return weight * (1 - sigma(beta * margin))


def gradient(*, ratio: float, is_desirable: bool, baseline: float, beta: float, weight: float) -> float:
    """By the row's log-ratio: w beta sigma'(beta (r - z)), down for a desirable row and up for an undesirable one."""
    away = beta * (ratio - baseline)
    slope = weight * beta * sigma(away) * sigma(-away)
    return -slope if is_desirable else slope


def baseline(*, mismatched: Sequence[float]) -> float:
    """Z, from the log-ratios of mismatched pairs."""
    return max(0.0, math.fsum(mismatched) / len(mismatched))
