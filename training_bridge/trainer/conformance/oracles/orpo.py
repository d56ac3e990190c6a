"""ORPO from arXiv:2403.07691, eq. 4 and 7, in floats."""

from __future__ import annotations

import math


def odds(mean: float) -> float:
    return math.exp(mean) / -math.expm1(mean)


def loss(*, chosen: float, rejected: float, nll: float, weight: float) -> float:
    """One pair: mean log-probs per token and the chosen answer's NLL."""
    ratio = odds(chosen) / odds(rejected)
    return nll - weight * math.log(ratio / (1 + ratio))


def gradient(*, chosen: float, rejected: float, weight: float) -> list[float]:
    """By the chosen answer's mean log-prob, by the rejected one's, by the NLL."""
    pull = weight / (1 + odds(chosen) / odds(rejected))
    return [pull / math.expm1(chosen), -pull / math.expm1(rejected), 1.0]
