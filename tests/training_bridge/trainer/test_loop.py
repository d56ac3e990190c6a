from __future__ import annotations

import pytest

from training_bridge.formats import spec
from training_bridge.trainer import loop


def rates(**settings: object) -> list[float]:
    asked = spec.hyperparameters({"max_steps": 6, **settings})
    return [loop.rate_factor(asked, step=step) for step in range(asked.max_steps)]


def test_learning_rate_falls_linearly_towards_zero() -> None:
    assert rates() == pytest.approx([1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])


def test_learning_rate_warms_up_first() -> None:
    assert rates(warmup_steps=2) == pytest.approx([0.5, 1, 1, 0.75, 0.5, 0.25])


def test_learning_rate_may_stay() -> None:
    assert rates(warmup_steps=2, lr_schedule="constant") == pytest.approx([0.5, 1, 1, 1, 1, 1])


def test_learning_rate_when_all_is_warm_up() -> None:
    assert rates(warmup_steps=12)[-1] == pytest.approx(0.5)
