"""Four accumulated micro-batches against one batch, through the real loop and the real recipes' losses.

A loss is the sum of its micro-batches' shares, each divided by the count over the whole step, and KTO measures z once
for the step. So they are equal whatever rows share a micro-batch, accepted and rejected ones unevenly spread included.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from training_bridge.trainer import data, job, logprobs, loop, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import bnf, cut, d2o, gradient_ascent, kto, npo, unpaired

R = TypeVar("R")
RecipeLoss = Callable[[job.Job, models.Policy, list[R], loop.Step[R]], loop.Loss]

WITHIN = 1e-5  # float32: the order of additions differs


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one optimizer step said and did: its loss, its parts, and all gradients in a line."""

    event: dict[str, Any]
    gradients: Tensor


def _step(
    rows: list[R],
    loss: RecipeLoss[R],
    *,
    micro_batches: int,
    method: str,
    **settings: Any,
) -> Step:
    """Take one step over all rows in so many micro-batches. The policy is always the same: the rate is 0."""
    policy = toys.policy(seed=1)
    given = {name: torch.zeros_like(each) for name, each in policy.trainable().items()}
    for name, each in policy.trainable().items():
        each.register_hook(functools.partial(_add, given[name]))  # type: ignore[no-untyped-call]
    with toys.run(
        method=method,
        batch_size=len(rows) // micro_batches,
        gradient_accumulation=micro_batches,
        **settings,
    ) as asked:
        loop.train(job=asked, policy=policy, rows=rows, loss=lambda *of: loss(asked, policy, *of))
        [event] = [each for each in asked.folder.read_events() if each["kind"] == "step"]
    return Step(event=event, gradients=torch.cat([each.reshape(-1) for each in given.values()]))


def _add(total: Tensor, gradient: Tensor) -> None:
    """A hook that returned something would change the gradient."""
    total.add_(gradient)


def _assert_same(accumulated: Step, at_once: Step) -> None:
    timed = {"memory_mib", "tokens_per_second", "at", "elapsed"}
    for name in at_once.event.keys() - timed - {"kind"}:
        assert_close(accumulated.event[name], at_once.event[name], within=WITHIN)
    toys.assert_same_gradients(accumulated.gradients, at_once.gradients, within=WITHIN)


def _scored(count: int, *, seed: int) -> list[data.Encoded]:
    found = toys.items(count, seed=seed)
    toys.score(toys.policy(seed=0), found)
    return found


def _kto_rows(pairs: Sequence[data.Encoded | None] = (None,) * 4) -> list[kto.Row]:
    """One accepted row in four, so three of four micro-batches have none."""
    return [
        kto.Row(item=item, is_desirable=number == 1, mismatched=pair, weight=1 + number / 2)
        for number, (item, pair) in enumerate(zip(_scored(4, seed=2), pairs, strict=True))
    ]


def _kto_step(rows: list[kto.Row], *, micro_batches: int) -> Step:
    return _step(
        rows,
        kto.loss,
        micro_batches=micro_batches,
        method="kto",
        desirable_weight=1.25,
        undesirable_weight=0.5,
        retain_weight=0.7,
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
def kto_in_four_equals_at_once() -> None:
    """KTO with KL: z is of all pairs of the step, so four micro-batches of one row equal one batch of four."""
    pairs = _scored(4, seed=5)
    ratios = [_ratio(pair) for pair in pairs]
    assert min(ratios) < 0 < sum(ratios), "no pair is below 0: a z of each micro-batch would be the same"
    four, one = (_kto_step(_kto_rows(pairs), micro_batches=count) for count in (4, 1))
    assert_close(one.event["kl"], sum(ratios) / 4, within=WITHIN)
    _assert_same(four, one)


@claim("accumulation")
def npo_in_four_equals_at_once() -> None:
    """NPO with row weights and retain term, one row in four accepted: four micro-batches equal one batch of four."""
    rows = [
        unpaired.Row(item=item, is_accepted=number == 2, weight=1 + number / 2)
        for number, item in enumerate(_scored(4, seed=6))
    ]

    def loss(
        asked: job.Job, policy: models.Policy, batch: list[unpaired.Row], step: loop.Step[unpaired.Row]
    ) -> loop.Loss:
        return unpaired.loss(asked.settings, policy, batch, step, rejection=npo.rejection, has_reference=True)

    four, one = (_step(rows, loss, micro_batches=count, method="npo", retain_weight=0.5) for count in (4, 1))
    _assert_same(four, one)


@claim("accumulation")
def bnf_in_four_equals_at_once() -> None:
    """BNF with row weights and retain term, one row in four accepted: four micro-batches equal one batch of four."""
    rows = [
        unpaired.Row(item=item, is_accepted=number == 2, weight=1 + number / 2)
        for number, item in enumerate(_scored(4, seed=8))
    ]

    def loss(
        asked: job.Job, policy: models.Policy, batch: list[unpaired.Row], step: loop.Step[unpaired.Row]
    ) -> loop.Loss:
        return bnf.loss(asked.settings, policy, batch, step)

    four, one = (_step(rows, loss, micro_batches=count, method="bnf", retain_weight=0.5) for count in (4, 1))
    _assert_same(four, one)


@claim("accumulation")
def cut_in_four_equals_at_once() -> None:
    """CUT with row weights and retain term, one row in four accepted: four micro-batches equal one batch of four."""
    rows = []
    for number, item in enumerate(toys.items(4, seed=9)):
        told = data.Encoded(ids=[5, 7, 11, *item.ids], prompt_length=item.prompt_length + 3)
        rows.append(
            cut.Row(item=item, is_accepted=number == 1, weight=1 + number / 2, told=None if number == 1 else told)
        )

    def loss(asked: job.Job, policy: models.Policy, batch: list[cut.Row], step: loop.Step[cut.Row]) -> loop.Loss:
        return cut.loss(asked.settings, policy, batch, step)

    four, one = (_step(rows, loss, micro_batches=count, method="cut", retain_weight=0.5) for count in (4, 1))
    assert 0 < one.event["wrong_share"] < 1, "all or no tokens are wrong: a part of the loss is not looked at"
    _assert_same(four, one)


@claim("accumulation")
def gradient_ascent_in_four_equals_at_once() -> None:
    """Gradient ascent with its guards, three rows in eight accepted: four micro-batches equal one batch of eight."""
    given = [
        gradient_ascent.Row(
            item=item, is_accepted=number in (0, 3, 6), weight=1 + number / 2, prompt_key=str(number), number=number
        )
        for number, item in enumerate(toys.items(8, seed=10))
    ]
    with toys.run(method="gradient_ascent", mismatches=1) as asked:
        rows, guards = gradient_ascent.guarded(job=asked, policy=toys.policy(seed=0), rows=given)

    def loss(
        asked: job.Job,
        policy: models.Policy,
        batch: list[gradient_ascent.Row],
        step: loop.Step[gradient_ascent.Row],
    ) -> loop.Loss:
        return gradient_ascent.loss(asked.settings, policy, batch, step, guards=guards)

    four, one = (
        _step(rows, loss, micro_batches=count, method="gradient_ascent", retain_weight=0.5) for count in (4, 1)
    )
    assert one.event["divergence"] > 0.1, "the two models are the same: a guard is not looked at"
    _assert_same(four, one)


def _ratio(item: data.Encoded) -> float:
    with torch.no_grad():
        return logprobs.ratios(toys.policy(seed=1), [item])[0].item()
