"""How large a demo is: the real one, and a miniature that goes the same way in a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from training_bridge.demo import model_files, writing


@dataclass(frozen=True, kw_only=True)
class DemoSize:
    """Counts are outputs; the dictionaries are hyperparameters of a run spec. What is measured: docs/demo.md."""

    name: str
    shape: model_files.Shape = field(default_factory=model_files.Shape)
    rates: writing.Rates = field(default_factory=writing.Rates)
    pretrain_rows: int = 52_000
    pretrain: Mapping[str, Any]
    held_in: int = 300
    judged: int = 250
    held_out: int = 250
    temperature: float = 1.0
    max_new_tokens: int = 48
    d2o: Mapping[str, Any]
    kto: Mapping[str, Any]


FULL = DemoSize(
    name="full",
    pretrain={
        "learning_rate": 2e-3,
        "max_steps": 800,
        "batch_size": 16,
        "gradient_accumulation": 4,
        "warmup_steps": 100,
        "weight_decay": 0.01,
        "max_length": 128,
        "save_every": 200,
    },
    d2o={
        "learning_rate": 2e-4,
        "max_steps": 60,
        "batch_size": 16,
        "max_length": 128,
        "anchors": 4,
        "anchor_max_new_tokens": 48,
        "retain_weight": 1.0,
        "stop_below": 0.0,
        "save_every": 30,
    },
    kto={
        "learning_rate": 2e-4,
        "max_steps": 60,
        "batch_size": 16,
        "max_length": 128,
        "retain_weight": 1.0,
        "stop_below": 0.0,
        "hold_out": 0.0,
        "save_every": 30,
    },
)

MINI = DemoSize(
    name="mini",
    shape=model_files.Shape(hidden=32, layers=1, heads=2, intermediate=64),
    pretrain_rows=400,
    pretrain={"learning_rate": 1e-2, "max_steps": 40, "batch_size": 32, "max_length": 96, "save_every": 0},
    held_in=24,
    judged=18,
    held_out=12,
    max_new_tokens=20,
    d2o={
        "learning_rate": 1e-4,
        "max_steps": 3,
        "batch_size": 4,
        "anchors": 1,
        "anchor_max_new_tokens": 8,
        "stop_below": 0.0,
    },
    kto={"learning_rate": 1e-4, "max_steps": 3, "batch_size": 4, "stop_below": 0.0, "hold_out": 0.0},
)

SIZES = {size.name: size for size in (FULL, MINI)}
