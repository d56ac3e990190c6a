"""KTO."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor

from training_bridge.trainer.conformance.oracles import kto as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import kto
from training_bridge.trainer.recipes import kto as recipe

RATIOS = [2.0, -1.0, 0.0, 0.5, -37.0, 41.0, 900.0, -900.0]
# Both weights are exact in binary: the loss keeps them in float32 also where log-ratios are float64.
BETA, GOOD, BAD = 0.3, 1.5, 0.75


def _loss(ratios: list[float], labels: list[bool], **given: Any) -> tuple[Tensor, Tensor]:
    """Our losses and their gradient by the log-ratios, in float64. Beta and both weights are the constants above."""
    leaf = torch.tensor(ratios, dtype=torch.float64, requires_grad=True)
    settings = {"beta": BETA, "desirable_weight": GOOD, "undesirable_weight": BAD, **given}
    settings["baseline"] = torch.tensor(settings.get("baseline", 0.0), dtype=torch.float64)
    found = kto.loss(ratios=leaf, is_desirable=torch.tensor(labels), **settings)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    return found, leaf.grad


@claim("kto")
def equals_the_formula() -> None:
    """Values and gradients are those of eq. 7-8 with both class weights, with and without z, also far from 0."""
    for baseline in (0.0, 0.7, 25.0):
        for label in (True, False):
            found, gradients = _loss(RATIOS, [label] * len(RATIOS), baseline=baseline)
            asked: dict[str, Any] = {
                "is_desirable": label,
                "baseline": baseline,
                "beta": BETA,
                "weight": GOOD if label else BAD,
            }
            assert_close(found, [oracle.loss(ratio=each, **asked) for each in RATIOS], within=1e-12)
            assert_close(gradients, [oracle.gradient(ratio=each, **asked) for each in RATIOS], within=1e-12)


@claim("kto")
def stays_finite_far_out() -> None:
    """In float32 a log-ratio of a million is a loss of 0 or the whole class weight, and a gradient of 0."""
    ratios = torch.tensor([1e6, -1e6, 1e6, -1e6], requires_grad=True)
    labels = torch.tensor([True, True, False, False])
    found = kto.loss(
        ratios=ratios,
        is_desirable=labels,
        baseline=torch.tensor(0.0),
        beta=BETA,
        desirable_weight=GOOD,
        undesirable_weight=BAD,
    )
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert ratios.grad is not None
    assert_close(found, [0.0, GOOD, BAD, 0.0], within=1e-6)
    assert_close(ratios.grad, [0.0] * 4, within=1e-6)


@claim("kto")
def rejected_alone_is_sigma_of_beta_r() -> None:
    """On rejected rows alone, where z is 0, the loss is sigma(beta r)."""
    found, _ = _loss(RATIOS, [False] * len(RATIOS), undesirable_weight=1.0)
    assert_close(found, [oracle.sigma(BETA * each) for each in RATIOS], within=1e-12)


@claim("kto")
def baseline_is_a_clamped_constant() -> None:
    """z is the mean of the mismatched log-ratios, never below 0, and no gradient goes through it."""
    for mismatched in ([3.0, -1.0, 0.25], [-3.0, 1.0, 0.25], [-5.0], [40.0, 60.0]):
        leaf = torch.tensor(mismatched, dtype=torch.float64, requires_grad=True)
        found = kto.baseline(mismatched=leaf)
        assert_close(found, oracle.baseline(mismatched=mismatched), within=1e-12)
        assert not found.requires_grad, f"z = {found.item()} has a gradient"


@claim("kto")
def class_weights_scale_their_class() -> None:
    """A class's weight multiplies the losses and gradients of its rows and leaves the other class alone."""
    labels = [number % 2 == 0 for number in range(len(RATIOS))]
    plain = _loss(RATIOS, labels, baseline=0.5, desirable_weight=1.0, undesirable_weight=1.0)
    for good, bad in ((2.5, 1.0), (1.0, 0.375), (0.0, 1.0)):
        wanted = torch.tensor([good if label else bad for label in labels], dtype=torch.float64)
        weighted = _loss(RATIOS, labels, baseline=0.5, desirable_weight=good, undesirable_weight=bad)
        for found, unweighted in zip(weighted, plain, strict=True):
            assert_close(found, unweighted * wanted, within=1e-12)


@claim("kto")
def mismatched_pairs_are_mismatched() -> None:
    """No row is paired with its own prompt, and every row serves once unless one prompt has more than half of them."""
    chance = random.Random(0)
    for prompts_count in (2, 3, 7, 30):
        prompts = [f"prompt {chance.randrange(prompts_count)}" for _ in range(60)]
        _check_partners(sorted(prompts), serves_once=max(map(prompts.count, prompts)) <= 30)
        _check_partners(prompts, serves_once=max(map(prompts.count, prompts)) <= 30)
    _check_partners(["common"] * 9 + ["rare"], serves_once=False)


def _check_partners(prompts: list[str], *, serves_once: bool) -> None:
    for seed in range(5):
        found = recipe.partners(prompts, seed=seed)
        for row, other in enumerate(found):
            assert other is not None, f"row {row} of {len(prompts)} has no partner"
            assert prompts[other] != prompts[row], f"row {row} is paired with row {other}, both of {prompts[row]!r}"
        served = len(set(found))
        assert not serves_once or served == len(prompts), f"{served} rows serve, {len(prompts)} wanted"
