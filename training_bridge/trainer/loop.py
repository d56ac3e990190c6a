"""The training loop: batches, accumulation, clipping, schedule, events, saved states.

Why it is ours and not transformers.Trainer: docs/decisions/.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import errors, guard, job, models, order, probe, reporting, steps

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One micro-batch's loss (a scalar with gradient), what it is made of, and how many tokens went through."""

    value: Tensor
    tokens: int
    parts: dict[str, Tensor] = field(default_factory=dict)


def train(
    *,
    job: job.Job,
    policy: models.Policy,
    rows: Sequence[R],
    loss: Callable[[list[R]], Loss],
    lengths: Sequence[int] | None = None,
    watched: probe.Probe | None = None,
) -> int:
    """Take max_steps optimizer steps over `rows`, going on from the last saved state. Raises Refused, Cancelled.

    Returns the step whose weights the policy has at the end: an earlier one where the guard stopped it.
    """
    settings = job.settings
    parameters = list(policy.trainable().values())
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.999), fused=True
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
        _step(job, step, policy, optimizer, lambda index: loss([rows[each] for each in batches.batch(index)]))
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


def _step(
    job: job.Job,
    step: int,
    policy: models.Policy,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[int], Loss],
) -> None:
    """One optimizer step: `gradient_accumulation` micro-batches, their mean loss, one event."""
    started = time.perf_counter()
    settings = job.settings
    rate = learning_rate(settings, step=step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    total, tokens = 0.0, 0
    parts: dict[str, list[float]] = {}
    for micro in range(settings.gradient_accumulation):
        found = loss(step * settings.gradient_accumulation + micro)
        torch.autograd.backward(found.value / settings.gradient_accumulation)
        total += found.value.item() / settings.gradient_accumulation
        tokens += found.tokens
        for name, value in found.parts.items():
            parts.setdefault(name, []).append(value.item())
    norm = torch.nn.utils.clip_grad_norm_(
        [each for group in optimizer.param_groups for each in group["params"]], settings.max_grad_norm or math.inf
    ).item()
    _check_finite(total, norm, step=step + 1, rate=rate)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    job.reporter.event(
        "step",
        step=step + 1,
        loss=total,
        **{name: sum(values) / len(values) for name, values in parts.items()},
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
