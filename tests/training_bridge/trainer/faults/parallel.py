"""Several processes. A fault is planted on the side of the one, in whose process the claim is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import engine, loop
from training_bridge.trainer.losses import kto as losses
from training_bridge.trainer.recipes import kto


def of_own_pairs(baseline: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """z as one of two processes would measure it by itself."""

    def faulty(*, mismatched: Tensor) -> Tensor:
        return baseline(mismatched=mismatched[::2])

    return faulty


def mean_of_processes(step: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Gradients of shares averaged over two processes, and not multiplied by their number."""

    def faulty(self: Any, model: Any, inputs: Any, *rest: Any) -> Tensor:
        whole = self._loss

        def half(*of: Any) -> loop.Loss:
            found = whole(*of)
            return loop.Loss(value=found.value / 2, tokens=found.tokens, parts=found.parts)

        self._loss = half
        try:
            return step(self, model, inputs, *rest)
        finally:
            self._loss = whole

    return faulty


def mean_of_own_rows(loss: Callable[..., loop.Loss]) -> Callable[..., loop.Loss]:
    """The retain term as a mean over the accepted rows of each process."""

    def faulty(job: Any, policy: Any, rows: list[Any], step: Any) -> loop.Loss:
        halves = [loss(job, policy, rows[part::2], _own(step, part)) for part in range(2)]
        nothing = torch.zeros(())
        parts = {name: sum((each.parts.get(name, nothing) for each in halves), nothing) / 2 for name in halves[0].parts}
        return loop.Loss(
            value=(halves[0].value + halves[1].value) / 2, tokens=sum(each.tokens for each in halves), parts=parts
        )

    return faulty


def _own(step: Any, part: int) -> Any:
    own = step.rows[part::2]
    return loop.Step(number=step.number, rows=own, own=own)


FAULTS = [
    Fault("parallel.two_processes_equal_one", losses, of_own_pairs, "baseline"),
    Fault("parallel.two_processes_equal_one", engine.Engine, mean_of_processes, "training_step"),
    Fault("parallel.two_processes_equal_one", kto, mean_of_own_rows),
]
