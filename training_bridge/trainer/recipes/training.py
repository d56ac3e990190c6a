"""What every recipe that trains has in common: load, prepare, train, save, sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from training_bridge.trainer import data, job, loop, models, probe, sampling, saving

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class Plan(Generic[R]):
    """What a recipe makes of its rows: those to train on, their loss, and the good answers to watch.

    `lengths`, in tokens, are given where a step takes rows of like length together.
    """

    rows: Sequence[R]
    loss: Callable[[list[R], loop.Step[R]], loop.Loss]
    watched: Sequence[data.Encoded] | None = None
    lengths: Sequence[int] | None = None


def run(
    *, job: job.Job, prepare: Callable[[models.Policy], Plan[R]], load: Callable[..., models.Policy] | None = None
) -> None:
    """Load the base, `prepare` with the policy still the starting model, lower the loss, save, sample.

    A run whose checkpoint is complete goes on with sampling. `load` is `models.for_training` unless it is given.
    """
    if job.folder.is_checkpoint_complete():
        sampling.run_trained(job=job)
        return
    job.reporter.phase("loading")
    policy = (load or models.for_training)(asked=job.spec)
    plan = prepare(policy)
    watched = None if plan.watched is None else probe.of(items=plan.watched, job=job)
    taken = loop.train(job=job, policy=policy, rows=plan.rows, loss=plan.loss, lengths=plan.lengths, watched=watched)
    saving.save(job=job, policy=policy, steps_taken=taken)
    sampling.run(job=job, policy=policy)
