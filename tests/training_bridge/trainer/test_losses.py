"""Each loss against a float64 oracle in plain Python, the signs of its gradient, and what it must equal."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import random
import types

import pytest
import torch
from torch.nn import functional

from training_bridge.trainer import data, losses
from training_bridge.trainer.losses import d2o, kto


def sigma(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def numbers(count: int, *, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [chance.gauss(0, 5) for _ in range(count)]


MODULES = [importlib.import_module(f"{losses.__name__}.{each.name}") for each in pkgutil.iter_modules(losses.__path__)]


@pytest.mark.parametrize("module", [*MODULES, data])
def test_docstring_numbers(module: types.ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_kto_loss_equals_the_oracle() -> None:
    ratios, z, beta, good, bad = numbers(16, seed=1), 0.7, 0.3, 1.5, 0.5
    labels = [each % 3 == 0 for each in range(16)]
    found = kto.loss(
        ratios=torch.tensor(ratios, dtype=torch.float64),
        is_desirable=torch.tensor(labels),
        baseline=torch.tensor(z, dtype=torch.float64),
        beta=beta,
        desirable_weight=good,
        undesirable_weight=bad,
    )
    expected = [
        good * (1 - sigma(beta * (r - z))) if label else bad * (1 - sigma(beta * (z - r)))
        for r, label in zip(ratios, labels, strict=True)
    ]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


def test_kto_loss_pushes_accepted_up_and_rejected_down() -> None:
    ratios = torch.tensor([-1.0, 0.0, 2.0, -1.0, 0.0, 2.0], requires_grad=True)
    labels = torch.tensor([True] * 3 + [False] * 3)
    torch.autograd.backward(kto.loss(ratios=ratios, is_desirable=labels, baseline=torch.tensor(0.5), beta=0.1).sum())
    assert ratios.grad is not None
    assert (ratios.grad[:3] < 0).all()
    assert (ratios.grad[3:] > 0).all()


def test_kto_loss_on_rejected_only_is_sigma_beta_r() -> None:
    ratios = torch.tensor(numbers(8, seed=2))
    found = kto.loss(ratios=ratios, is_desirable=torch.zeros(8, dtype=torch.bool), baseline=torch.tensor(0.0), beta=0.1)
    torch.testing.assert_close(found, torch.sigmoid(0.1 * ratios))


def test_kto_baseline_is_clamped_and_has_no_gradient() -> None:
    mismatched = torch.tensor([1.0, 2.0], requires_grad=True)
    assert kto.baseline(mismatched=mismatched).item() == 1.5
    assert not kto.baseline(mismatched=mismatched).requires_grad
    assert kto.baseline(mismatched=-mismatched).item() == 0.0


def test_d2o_loss_equals_the_oracle() -> None:
    said, rejected = numbers(12, seed=3), numbers(4, seed=4)
    found = d2o.loss(
        anchors=torch.tensor(said, dtype=torch.float64).view(4, 3),
        rejected=torch.tensor(rejected, dtype=torch.float64),
        alpha=0.2,
        beta=0.1,
    )
    expected = [-math.log(sigma(0.1 / 3 * sum(said[3 * row : 3 * row + 3]) - 0.2 * rejected[row])) for row in range(4)]
    assert found.tolist() == pytest.approx(expected, rel=1e-12)


def test_d2o_loss_with_one_anchor_equals_dpo() -> None:
    chosen, rejected, beta = torch.tensor(numbers(6, seed=5)), torch.tensor(numbers(6, seed=6)), 0.1
    dpo = -functional.logsigmoid(beta * (chosen - rejected))
    torch.testing.assert_close(d2o.loss(anchors=chosen[:, None], rejected=rejected, alpha=beta, beta=beta), dpo)


def test_d2o_loss_pushes_anchors_up_and_rejected_down() -> None:
    said = torch.zeros(2, 3, requires_grad=True)
    rejected = torch.tensor([1.0, -1.0], requires_grad=True)
    torch.autograd.backward(d2o.loss(anchors=said, rejected=rejected, alpha=0.1, beta=0.1).sum())
    assert said.grad is not None
    assert rejected.grad is not None
    assert (said.grad < 0).all()
    assert (rejected.grad > 0).all()


def test_d2o_loss_stays_finite_far_out() -> None:
    far = d2o.loss(anchors=torch.tensor([[-1e4]]), rejected=torch.tensor([1e4]), alpha=1.0, beta=1.0)
    assert far.item() == pytest.approx(2e4)
