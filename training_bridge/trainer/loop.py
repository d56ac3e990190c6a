"""The training loop: batches, accumulation, clipping, schedule, events, saved states.

Why it is ours and not transformers.Trainer: docs/decisions/.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import errors, guard, job, models, order, probe, reporting, steps

R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One micro-batch's share of a step's loss (a scalar with gradient), and its tokens.

    A share is what its rows add up to, divided by the count over all rows of the step, so the shares of a step's
    micro-batches add up to the step's loss however the rows were divided. `parts` are shares as well.
    """

    value: Tensor
    tokens: int
    parts: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[R]):
    """One optimizer step (`number` from 0) and all its rows."""

    number: int
    rows: Sequence[R]
    _found: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """What `compute` returned when it was first asked for in this step."""
        if name not in self._found:
            self._found[name] = compute()
        found: T = self._found[name]
        return found


def train(
    *,
    job: job.Job,
    policy: models.Policy,
    rows: Sequence[R],
    loss: Callable[[list[R], Step[R]], Loss],
    lengths: Sequence[int] | None = None,
    watched: probe.Probe | None = None,
) -> int:
    """Take max_steps optimizer steps over `rows`, going on from the last saved state. Raises Refused, Cancelled.

    Returns the step whose weights the policy has at the end: an earlier one where the guard stopped it.
    """
    settings = job.settings
    optimizer = torch.optim.AdamW(
        list(policy.trainable().values()), lr=0.0, weight_decay=settings.weight_decay, betas=(0.9, 0.999), fused=True
    )
    states = steps.States(folder=job.folder.steps, fingerprint=steps.fingerprint_of(job.folder.spec))
    batches = order.Order(count=len(rows), batch_size=settings.batch_size, seed=settings.seed, lengths=lengths)
    torch.manual_seed(settings.seed)
    keeper = guard.of(job=job, watched=watched)
    if watched is not None:
        watched.begin(policy)
    if keeper is not None:
        keeper.begin(policy)
    done = states.resume(policy=policy, optimizer=optimizer)
    job.reporter.phase("training", total_steps=settings.max_steps, step=done)
    if policy.head.problem:
        job.reporter.event("whole_logits", reason=policy.head.problem)
    if done:
        job.reporter.event("resumed", step=done)
    policy.model.train()
    for step in range(done, settings.max_steps):
        taken = [[rows[each] for each in batches.batch(index)] for index in _micro_batches(settings, step)]
        _step(job, step, optimizer, taken, loss)
        change = watched.look(policy, step=step + 1, reporter=job.reporter) if watched is not None else None
        if keeper is not None and change is not None and not keeper.holds(policy, step=step + 1, change=change):
            policy.model.eval()
            kept = keeper.restore(policy)
            job.reporter.event("stopped", step=step + 1, change=change, kept=kept)
            return kept
        if settings.save_every and (step + 1) % settings.save_every == 0 and step + 1 < settings.max_steps:
            states.save(step=step + 1, policy=policy, optimizer=optimizer)
            job.reporter.event("saved", step=step + 1)
        job.reporter.progress(step + 1)
    policy.model.eval()
    return settings.max_steps


def _micro_batches(settings: spec.Hyperparameters, step: int) -> range:
    return range(step * settings.gradient_accumulation, (step + 1) * settings.gradient_accumulation)


def _step(
    job: job.Job,
    number: int,
    optimizer: torch.optim.Optimizer,
    batches: list[list[R]],
    loss: Callable[[list[R], Step[R]], Loss],
) -> None:
    """One optimizer step: the sum of its micro-batches' shares, one event."""
    started = time.perf_counter()
    settings = job.settings
    rate = learning_rate(settings, step=number)
    for group in optimizer.param_groups:
        group["lr"] = rate
    step = Step(number=number, rows=[row for batch in batches for row in batch])
    total, tokens = 0.0, 0
    parts: dict[str, float] = {}
    for batch in batches:
        found = loss(batch, step)
        torch.autograd.backward(found.value)
        total += found.value.item()
        tokens += found.tokens
        for name, value in found.parts.items():
            parts[name] = parts.get(name, 0.0) + value.item()
    norm = torch.nn.utils.clip_grad_norm_(
        [each for group in optimizer.param_groups for each in group["params"]], settings.max_grad_norm or math.inf
    ).item()
    _check_finite(total, norm, step=number + 1, rate=rate)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    job.reporter.event(
        "step",
        step=number + 1,
        loss=total,
        **parts,
        grad_norm=norm,
        learning_rate=rate,
        tokens=tokens,
        tokens_per_second=round(tokens / max(time.perf_counter() - started, 1e-9), 1),
        memory_mib=reporting.memory_mib(),
    )


def learning_rate(settings: spec.Hyperparameters, *, step: int) -> float:
    """The rate of step `step` (from 0).

    Warm-up rises linearly over `warmup_steps` (its first step is not 0). Then `constant` stays, and `linear` falls so
    that the step after the last one would be 0.
    """
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    if settings.lr_schedule == "constant":
        return settings.learning_rate
    remaining = (settings.max_steps - step) / max(1, settings.max_steps - settings.warmup_steps)
    return settings.learning_rate * remaining


def _check_finite(total: float, norm: float, *, step: int, rate: float) -> None:
    if math.isfinite(total) and math.isfinite(norm):
        return
    what = "loss" if not math.isfinite(total) else "gradient"
    raise errors.Refused(
        f"The {what} is not a number at step {step} (learning rate {rate:.2g}): training diverged. "
        "Lower learning_rate, add warmup_steps, or use dtype float32."
    )
