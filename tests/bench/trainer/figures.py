"""The arithmetic of the trainer's measurements: ratios, curves, FLOPs. Pure; nothing here needs torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times quicker, over rounds: the median, and the smallest and largest."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:.2f} x ({self.least:.2f} to {self.most:.2f})"


def ratio(*, ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Speeds of one round each, in order; rounds are compared with themselves, for a machine changes over time.

    >>> print(ratio(ours=[30, 20, 42], theirs=[10, 10, 20]))
    2.10 x (2.00 to 3.00)
    """
    found = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Ratio(median=statistics.median(found), least=min(found), most=max(found))


def largest_difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The largest |ours - theirs| / |theirs| over two loss curves of the same steps; infinite where one is no number.

    >>> round(largest_difference([0.5, 0.404], [0.5, 0.4]), 4)
    0.01
    """
    found = [abs(mine - other) / abs(other) for mine, other in zip(ours, theirs, strict=True)]
    return max((math.inf if math.isnan(each) else each for each in found), default=math.inf)


def padded(lengths: Sequence[int], *, batch: int) -> int:
    """Positions that go through the model when batches of `batch` rows are padded to their longest.

    >>> padded([2, 5, 1], batch=2)
    11
    """
    groups = [lengths[at : at + batch] for at in range(0, len(lengths), batch)]
    return sum(len(group) * max(group) for group in groups)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a dense decoder's cost depends on. `keys` is the width of keys (and of values): KV heads x head size."""

    hidden: int
    layers: int
    intermediate: int
    heads_width: int
    keys: int
    vocabulary: int

    @property
    def body(self) -> int:
        """Weights of the matrices that each token is multiplied with, without embeddings and head."""
        attention = 2 * self.hidden * self.heads_width + 2 * self.hidden * self.keys
        return self.layers * (attention + 3 * self.hidden * self.intermediate)


@dataclass(frozen=True, kw_only=True)
class Prompted:
    """The tokens of a prompt, and of each answer that follows it alone."""

    prompt: int
    answers: tuple[int, ...]


def forward_flops(shape: Shape, row: Prompted) -> float:
    """What a forward pass has to compute for the log-probs of the answers, and no more.

    Matrices: 2 FLOP per weight and token, the prompt once however many answers follow it. Attention: scores and
    values are 2 FLOP each per layer, width and pair of tokens that see each other (causal: n (n + 1) / 2 pairs in n
    tokens). Head: 2 FLOP per weight and answer token; no prompt position needs it. Padding, a prompt that is computed
    again and activations that are recomputed are not in it, so who does them has a lower utilisation.

    Worked by hand, hidden 4, 1 layer, intermediate 8, widths 4, vocabulary 10, a prompt of 2 and an answer of 1: body
    4 * 16 + 96 = 160 weights, 2 * 160 * 3 = 960; 6 pairs, 4 * 4 * 6 = 96; head 2 * 10 * 4 = 80.

    >>> shape = Shape(hidden=4, layers=1, intermediate=8, heads_width=4, keys=4, vocabulary=10)
    >>> forward_flops(shape, Prompted(prompt=2, answers=(1,)))
    1136.0
    """
    tokens = row.prompt + sum(row.answers)
    pairs = row.prompt * (row.prompt + 1) / 2
    pairs += sum(row.prompt * each + each * (each + 1) / 2 for each in row.answers)
    attention = 4.0 * shape.layers * shape.heads_width * pairs
    head = 2.0 * shape.vocabulary * shape.hidden * sum(row.answers)
    return 2.0 * shape.body * tokens + attention + head


def step_flops(shape: Shape, *, trained: Sequence[Prompted], scored: Sequence[Prompted], is_lora: bool) -> float:
    """FLOPs of training on `trained` and of scoring `scored` without gradient (KTO's mismatched pairs).

    Backward costs twice the forward where every weight is trained (by activations and by weights), and once where the
    weights are frozen (LoRA): the adapter's own few are left out.
    """
    times = 2 if is_lora else 3
    learned = sum(forward_flops(shape, row) for row in trained)
    return times * learned + sum(forward_flops(shape, row) for row in scored)


def mfu(*, flops: float, seconds: float, peak: float | None) -> float | None:
    """The share of the device's dense bfloat16 peak that went into `flops`.

    >>> mfu(flops=100.0, seconds=2.0, peak=200.0)
    0.25
    """
    return None if peak is None else flops / seconds / peak
