"""BNF (arXiv:2410.04834; the sharing of 1 - f is a reconstruction) in floats."""

from __future__ import annotations

import math
from collections.abc import Sequence


def softmax(logits: Sequence[float]) -> list[float]:
    top = max(logits)
    powers = [math.exp(each - top) for each in logits]
    return [each / sum(powers) for each in powers]


def target(*, logits: Sequence[float], token: int, reference: float) -> list[float]:
    """The distribution that the token's row of logits is compared with; `reference` is a log-prob."""
    policy = softmax(logits)
    kept = min(policy[token] / math.exp(reference), 1)
    shared = (1 - kept) / (1 - policy[token])
    return [kept if each == token else shared * policy[each] for each in range(len(policy))]


def crossed(*, logits: Sequence[float], towards: Sequence[float]) -> float:
    """Cross-entropy of the logits' distribution against a target that stays as it is."""
    return -sum(share * math.log(each) for share, each in zip(towards, softmax(logits), strict=True))


def gradient(*, logits: Sequence[float], towards: Sequence[float], step: float = 1e-5) -> list[float]:
    """Of `crossed`, by each logit, by central differences."""
    found = []
    for each in range(len(logits)):
        up, down = list(logits), list(logits)
        up[each] += step
        down[each] -= step
        found.append((crossed(logits=up, towards=towards) - crossed(logits=down, towards=towards)) / (2 * step))
    return found
