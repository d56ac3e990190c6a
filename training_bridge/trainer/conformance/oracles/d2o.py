"""D2O from arXiv:2403.03419, eq. 3, in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def margin(*, anchors: Sequence[float], rejected: float, alpha: float, beta: float) -> float:
    return beta / len(anchors) * sum(anchors) - alpha * rejected


def loss(*, anchors: Sequence[float], rejected: float, alpha: float, beta: float) -> float:
    """One row: the anchors' log-ratios and the rejected answer's."""
    return math.log1p(math.exp(-margin(anchors=anchors, rejected=rejected, alpha=alpha, beta=beta)))


def gradient(*, anchors: Sequence[float], rejected: float, alpha: float, beta: float) -> list[float]:
    """By each anchor's log-ratio, and last by the rejected answer's."""
    pull = 1 / (1 + math.exp(margin(anchors=anchors, rejected=rejected, alpha=alpha, beta=beta)))
    return [-pull * beta / len(anchors)] * len(anchors) + [pull * alpha]
