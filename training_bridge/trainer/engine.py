"""transformers' Trainer, told what a step is here.

Trainer owns the order of things: accumulation, clipping, the optimizer, the schedule, several processes with FSDP2,
and whatever service NEGATIVA_REPORT_TO names. Ours are the batches (a pure function of seed and step), the losses, the
events, and states without pickles that are whole or absent (steps.py). See docs/decisions/0006.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import Tensor
from transformers.integrations import integration_utils

from training_bridge.trainer import errors, failed_batch, job, models, parallel, speed, steps

if TYPE_CHECKING:
    from training_bridge.trainer import loop

REPORT_TO = "NEGATIVA_REPORT_TO"


class Engine(transformers.Trainer):
    """One run's training.

    `loss(rows, step)` is a micro-batch's share, and `after(step, optimizer)` is called when a step (from 1) is done and
    told; where it says False training ends.
    """

    def __init__(
        self,
        *,
        job: job.Job,
        policy: models.Policy,
        batches: loop.Batches[Any],
        loss: Callable[..., loop.Loss],
        states: steps.States,
        after: Callable[[int, torch.optim.Optimizer], bool],
    ) -> None:
        self._job, self._policy, self._batches = job, policy, batches
        self._loss, self._states, self._after = loss, states, after
        self._told = Told()
        self._meter = speed.Meter(policy=policy, devices=parallel.count())
        super().__init__(model=policy.model, args=_arguments(job, policy))
        self.remove_callback(transformers.PrinterCallback)

    def run(self) -> None:
        """Take the steps that are left. Raises Refused, Cancelled."""
        state = self._states.newest()
        self.train(resume_from_checkpoint=str(state) if state else None)

    def get_train_dataloader(self) -> Any:
        return self._batches

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        parallel.settle(self._policy.model)
        return super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """The rates of the spec, going on from the step that was resumed."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self._made(), self._batches.rate)
        self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Tensor:
        """Add one micro-batch's gradients. FSDP takes the mean over the processes, so a share counts `count` times."""
        model.train()
        self._told.begin()
        found = self._loss(inputs["rows"], inputs["step"])
        self.accelerator.backward(found.value * parallel.count())
        self._told.add(inputs, found)
        return (found.value * parallel.count()).detach()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> float:
        """The last word before the optimizer moves: nothing that is not a number may reach the weights."""
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        value = float(parallel.whole(norm)) if isinstance(norm, Tensor) else float(norm)
        told = self._told
        told.total()
        if not (math.isfinite(told.loss) and math.isfinite(value)):
            raise failed_batch.refusal(
                job=self._job,
                tokenizer=self._policy.tokenizer,
                step=self.state.global_step + 1,
                batches=told.batches,
                facts={
                    "loss": told.loss,
                    "parts": told.parts,
                    "grad_norm": value,
                    "learning_rate": self._get_learning_rate(),
                },
            )
        return value

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """One event for each step, and the same to whatever else listens."""
        if "grad_norm" not in logs:
            return
        told, self._told = self._told, Told()
        step = self.state.global_step
        logs |= told.parts
        self._job.reporter.event(
            "step",
            step=step,
            loss=told.loss,
            **told.parts,
            grad_norm=logs["grad_norm"],
            learning_rate=logs["learning_rate"],
            tokens=told.tokens,
            **self._meter.of_step(
                tokens=told.tokens, seconds=told.seconds(), rows=[row for batch in told.batches for row in batch]
            ),
        )
        super().log(logs, start_time)
        if not self._after(step, self._made()):
            self.control.should_training_stop = True

    def _made(self) -> torch.optim.Optimizer:
        if self.optimizer is None:
            raise RuntimeError("Trainer has not made its optimizer yet")
        return self.optimizer

    def floating_point_ops(self, inputs: Any) -> int:
        return 0

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        steps.restore_weights(Path(resume_from_checkpoint), policy=self._policy)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            steps.restore_optimizer(Path(checkpoint), optimizer=self._made())

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """They came back with the optimizer's moments."""

    def _load_scaler(self, checkpoint: str | None) -> None:
        """There is none: float16 is not offered."""


class Told:
    """What the micro-batches of one step added up to, over all processes once `total` was called."""

    def __init__(self) -> None:
        self.loss, self.tokens = 0.0, 0
        self.parts: dict[str, float] = {}
        self.batches: list[Any] = []
        self._began = 0.0

    def begin(self) -> None:
        """What lies between two steps (looks at the watched answers, saved states) is no part of either."""
        self._began = self._began or time.perf_counter()

    def add(self, inputs: dict[str, Any], found: loop.Loss) -> None:
        self.loss += found.value.item()
        self.tokens += found.tokens
        self.batches.append(inputs["rows"])
        self._sum({name: value.item() for name, value in found.parts.items()})

    def total(self) -> None:
        everybody = parallel.gather_objects((self.loss, self.tokens, self.parts))
        self.loss, self.tokens, self.parts = 0.0, 0, {}
        for loss, tokens, parts in everybody:
            self.loss += loss
            self.tokens += tokens
            self._sum(parts)

    def seconds(self) -> float:
        return max(time.perf_counter() - self._began, 1e-9)

    def _sum(self, parts: dict[str, float]) -> None:
        for name, value in parts.items():
            self.parts[name] = self.parts.get(name, 0.0) + value


class _Arguments(transformers.TrainingArguments):
    place_model_on_device = False  # it stands where the run's `device` says


def _arguments(job: job.Job, policy: models.Policy) -> transformers.TrainingArguments:
    settings = job.settings
    found = _Arguments(
        output_dir=str(job.folder.steps),
        max_steps=settings.max_steps,
        per_device_train_batch_size=1,  # Batches knows better
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim="adamw_torch_fused",
        seed=settings.seed,
        use_cpu=policy.device.type == "cpu",
        use_cache=policy.model.config.use_cache,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        ignore_data_skip=True,
        disable_tqdm=True,
        report_to=_report_to(),
    )
    found._n_gpu = min(found.n_gpu, 1)  # DataParallel over every GPU in sight is never meant
    return found


def _report_to() -> list[str]:
    """What the environment names; only the first of several processes speaks. Raises Refused for what is not there."""
    names = [name.strip() for name in os.environ.get(REPORT_TO, "").split(",") if name.strip()]
    installed: list[str] = integration_utils.get_available_reporting_integrations()  # type: ignore[no-untyped-call]
    if missing := [name for name in names if name not in installed]:
        raise errors.Refused(
            f"{REPORT_TO} names {missing[0]}, which the trainer's Python cannot report to. Installed there: "
            f"{', '.join(sorted(installed)) or 'none'}. Install its package, or take it out."
        )
    return names if names and parallel.is_first() else ["none"]
