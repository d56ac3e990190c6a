"""Four accumulated micro-batches against one batch, through the real loop and the real recipes' losses.

They are equal wherever a row's loss depends on that row alone, whatever the rows weigh: D2O with its retain term, KTO
where z is 0 or the same everywhere. They are not equal in two places, both KTO's. z is measured in each micro-batch: a
mean of means clamped at 0 is never below the clamped mean, so on average z is the same or larger, and a micro-batch of
one row has its own pair for z. The retain term is a mean over the micro-batch's accepted rows, so it is equal only
where every micro-batch has as many of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from training_bridge.trainer import data, job, logprobs, loop, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.oracles import kto as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import d2o, kto

R = TypeVar("R")

WITHIN = 1e-5  # float32: the order of additions differs


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one optimizer step said and did: its loss, its parts, and all gradients in a line."""

    event: dict[str, Any]
    gradients: Tensor


def _step(
    rows: list[R],
    loss: Callable[[job.Job, models.Policy, list[R]], loop.Loss],
    *,
    micro_batches: int,
    method: str,
    **settings: Any,
) -> Step:
    """Take one step over all rows in so many micro-batches. The policy is always the same: the rate is 0."""
    policy = toys.policy(seed=1)
    given = {name: torch.zeros_like(each) for name, each in policy.trainable().items()}
    for name, each in policy.trainable().items():
        each.register_hook(given[name].add_)  # type: ignore[no-untyped-call]
    with toys.run(
        method=method,
        batch_size=len(rows) // micro_batches,
        gradient_accumulation=micro_batches,
        **settings,
    ) as asked:
        loop.train(job=asked, policy=policy, rows=rows, loss=lambda batch: loss(asked, policy, batch))
        [event] = [each for each in asked.folder.read_events() if each["kind"] == "step"]
    return Step(event=event, gradients=torch.cat([each.reshape(-1) for each in given.values()]))


def _assert_same(accumulated: Step, at_once: Step) -> None:
    assert_close(accumulated.event["loss"], at_once.event["loss"], within=WITHIN)
    toys.assert_same_gradients(accumulated.gradients, at_once.gradients, within=WITHIN)


def _scored(count: int, *, seed: int) -> list[data.Encoded]:
    found = toys.items(count, seed=seed)
    toys.score(toys.policy(seed=0), found)
    return found


def _kto_rows(pairs: Sequence[data.Encoded | None] = (None,) * 4) -> list[kto.Row]:
    return [
        kto.Row(item=item, is_desirable=number % 2 == 0, mismatched=pair, weight=1 + number / 2)
        for number, (item, pair) in enumerate(zip(_scored(4, seed=2), pairs, strict=True))
    ]


def _kto_step(rows: list[kto.Row], *, micro_batches: int) -> Step:
    return _step(
        rows, kto.loss, micro_batches=micro_batches, method="kto", desirable_weight=1.25, undesirable_weight=0.5
    )


@claim("accumulation")
def d2o_in_four_equals_at_once() -> None:
    """D2O with row weights and retain term: four micro-batches of one row equal one batch of four."""
    said = _scored(12, seed=3)
    rows = [
        d2o.Row(rejected=item, anchors=said[3 * number : 3 * number + 3], weight=1 + number / 2)
        for number, item in enumerate(_scored(4, seed=4))
    ]
    four, one = (
        _step(
            rows,
            d2o.loss,
            micro_batches=count,
            method="d2o",
            anchors=3,
            retain_weight=0.5,
        )
        for count in (4, 1)
    )
    _assert_same(four, one)


@claim("accumulation")
def kto_without_kl_in_four_equals_at_once() -> None:
    """KTO with class and row weights where z is 0: four micro-batches of one row equal one batch of four."""
    _assert_same(_kto_step(_kto_rows(), micro_batches=4), _kto_step(_kto_rows(), micro_batches=1))


@claim("accumulation")
def kto_with_one_baseline_in_four_equals_at_once() -> None:
    """KTO where every micro-batch measures the same z, above 0: four micro-batches equal one batch of four."""
    pair = max(_scored(6, seed=5), key=_ratio)
    rows = _kto_rows([pair] * 4)
    four, one = (_kto_step(rows, micro_batches=count) for count in (4, 1))
    assert_close(one.event["kl"], _ratio(pair), within=WITHIN)
    assert one.event["kl"] > 0.1, "z is 0: nothing is compared"
    _assert_same(four, one)


@claim("accumulation")
def kto_baseline_is_by_micro_batch() -> None:
    """KTO with KL: a micro-batch's z is of its own pairs, so four of one row give another loss than a batch of four."""
    pairs = _scored(4, seed=5)
    assert min(map(_ratio, pairs)) < 0 < sum(map(_ratio, pairs)), "no z is clamped: nothing is compared"
    rows = _kto_rows(pairs)
    four, one = (_kto_step(rows, micro_batches=count) for count in (4, 1))
    own = [oracle.baseline(mismatched=[_ratio(pair)]) for pair in pairs]
    common = oracle.baseline(mismatched=[_ratio(pair) for pair in pairs])
    assert_close(four.event["kl"], sum(own) / 4, within=WITHIN)
    assert_close(four.event["loss"], _kto_by_oracle(rows, own), within=WITHIN)
    assert_close(one.event["kl"], common, within=WITHIN)
    assert_close(one.event["loss"], _kto_by_oracle(rows, [common] * 4), within=WITHIN)


def _ratio(item: data.Encoded) -> float:
    with torch.no_grad():
        return logprobs.ratios(toys.policy(seed=1), [item])[0].item()


def _kto_by_oracle(rows: list[kto.Row], baselines: list[float]) -> float:
    losses = [
        oracle.loss(
            ratio=_ratio(row.item),
            is_desirable=row.is_desirable,
            baseline=baseline,
            beta=0.1,
            weight=row.weight * (1.25 if row.is_desirable else 0.5),
        )
        for row, baseline in zip(rows, baselines, strict=True)
    ]
    return sum(losses) / len(losses)
