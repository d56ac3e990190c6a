"""DPO from arXiv:2305.18290, eq. 7, in floats."""

from __future__ import annotations

import math


def loss(*, chosen: float, rejected: float, beta: float) -> float:
    """One pair's log-ratios. The two likelihood ratios are compared as they are: (a^b + c^b) / a^b."""
    return math.log((math.exp(beta * chosen) + math.exp(beta * rejected)) / math.exp(beta * chosen))


def gradient(*, chosen: float, rejected: float, beta: float) -> list[float]:
    """By the chosen answer's log-ratio and by the rejected one's."""
    pull = beta / (1 + math.exp(beta * (chosen - rejected)))
    return [-pull, pull]
