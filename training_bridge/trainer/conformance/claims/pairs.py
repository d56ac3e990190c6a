"""DPO, ORPO and SFT as recipes run them: a tiny model's log-probs against the formula, a step against its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import data, logprobs, loop, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.oracles import dpo as dpo_oracle
from training_bridge.trainer.conformance.oracles import orpo as orpo_oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import dpo, orpo, paired, sft, unpaired

WITHIN = 1e-5  # float32: other padding, another order of additions
SETTINGS = spec.Hyperparameters(beta=0.3, retain_weight=0.25)
HALF = [0.5, 0.0, 1.0, 1.0, 0.0, 0.5, 0.0, 1.0, 0.5]


@claim("pairs")
def dpo_step_equals_the_formula() -> None:
    """A DPO step is eq. 7 of span-masked, severity-weighed log-ratios, with row weights and the retain term."""
    moved, starting = toys.policy(seed=1), toys.policy(seed=0)
    wanted = 0.0
    for row in _rows():
        ratios = [
            sum(
                m * (new - old)
                for m, new, old in zip(_mask(item), _said(moved, item), _said(starting, item), strict=True)
            )
            for item in (row.chosen, row.rejected)
        ]
        value = dpo_oracle.loss(chosen=ratios[0], rejected=ratios[1], beta=SETTINGS.beta)
        wanted += row.weight * (value - SETTINGS.retain_weight * _mean(moved, row.chosen)) / 4
    assert_close(_dpo(_rows(), whole=_rows()).value, wanted, within=WITHIN)


@claim("pairs")
def orpo_step_equals_the_formula() -> None:
    """An ORPO step is eq. 7 of masked means and the chosen answers' own NLL, with row weights and the retain term."""
    moved = toys.policy(seed=1)
    wanted = 0.0
    for row in _rows():
        means = [
            sum(m * said for m, said in zip(_mask(item), _said(moved, item), strict=True)) / sum(_mask(item))
            for item in (row.chosen, row.rejected)
        ]
        nll = -_mean(moved, row.chosen)
        value = orpo_oracle.loss(chosen=means[0], rejected=means[1], nll=nll, weight=SETTINGS.beta)
        wanted += row.weight * (value + SETTINGS.retain_weight * nll) / 4
    assert_close(_orpo(_rows(), whole=_rows()).value, wanted, within=WITHIN)


@claim("pairs")
def dpo_in_four_equals_at_once() -> None:
    """DPO: the shares of four micro-batches of one pair add up to the step of four, value, gradients and parts."""
    _assert_adds_up(_dpo, _rows())


@claim("pairs")
def orpo_in_four_equals_at_once() -> None:
    """ORPO: the shares of four micro-batches of one pair add up to the step of four, value, gradients and parts."""
    _assert_adds_up(_orpo, _rows())


@claim("pairs")
def sft_in_four_equals_at_once() -> None:
    """SFT: the shares of four micro-batches of one answer add up to the step of four."""
    rows = [
        unpaired.Row(item=item, is_accepted=True, weight=1 + number / 2)
        for number, item in enumerate(toys.items(4, seed=6))
    ]
    _assert_adds_up(_sft, rows)


def _rows() -> list[paired.Row]:
    """Four pairs of unlike lengths and weights; every second rejected answer has a mask of several weights."""
    chosen, rejected = toys.items(4, seed=11), toys.items(4, seed=12)
    rows = []
    for number, (good, bad) in enumerate(zip(chosen, rejected, strict=True)):
        ids = good.ids[: good.prompt_length] + bad.ids[bad.prompt_length :]
        said = data.Encoded(ids=ids, prompt_length=good.prompt_length)
        said.mask = HALF[: said.length] if number % 2 else None
        good.mask = None
        rows.append(paired.Row(chosen=good, rejected=said, weight=1 + number / 2))
    toys.score(toys.policy(seed=0), paired.answers(rows))
    return rows


def _dpo(rows: Sequence[paired.Row], *, whole: Sequence[paired.Row], policy: models.Policy | None = None) -> loop.Loss:
    return paired.loss(
        SETTINGS, policy or toys.policy(seed=1), rows, _step(whole), preference=dpo.preference, has_reference=True
    )


def _orpo(rows: Sequence[paired.Row], *, whole: Sequence[paired.Row], policy: models.Policy | None = None) -> loop.Loss:
    return paired.loss(
        SETTINGS, policy or toys.policy(seed=1), rows, _step(whole), preference=orpo.preference, has_reference=False
    )


def _sft(rows: Sequence[Any], *, whole: Sequence[Any], policy: models.Policy) -> loop.Loss:
    return sft.loss(policy, list(rows), _step(whole))


def _step(rows: Sequence[Any]) -> loop.Step[Any]:
    return loop.Step(number=0, rows=rows, own=rows)


def _assert_adds_up(loss: Callable[..., loop.Loss], rows: Sequence[Any]) -> None:
    policy = toys.policy(seed=1)
    at_once = loss(rows, whole=rows, policy=policy)
    shares = [loss([row], whole=rows, policy=policy) for row in rows]
    value = torch.stack([share.value for share in shares]).sum()
    assert_close(value, at_once.value, within=WITHIN)
    for name, part in at_once.parts.items():
        assert_close(torch.stack([share.parts[name] for share in shares]).sum(), part, within=WITHIN)
    toys.assert_same_gradients(_gradients(policy, value), _gradients(policy, at_once.value), within=WITHIN)


def _gradients(policy: models.Policy, value: Tensor) -> Tensor:
    found = torch.autograd.grad(value, list(policy.trainable().values()))
    return torch.cat([each.reshape(-1) for each in found])


def _said(policy: models.Policy, item: data.Encoded) -> list[float]:
    """The completion tokens' log-probs, from a pass of this answer alone."""
    with torch.no_grad():
        found: list[float] = logprobs.of_tokens(policy, logprobs.collate([item], device=policy.device))[0].tolist()
    return found


def _mean(policy: models.Policy, item: data.Encoded) -> float:
    return sum(_said(policy, item)) / item.length


def _mask(item: data.Encoded) -> list[float]:
    return item.mask or [1.0] * item.length
