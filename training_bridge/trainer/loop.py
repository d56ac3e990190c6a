"""What training is to a recipe: rows, a loss, and the number of the step whose weights it gets back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import errors, guard, job, models, order, parallel, probe, steps

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
    """One optimizer step (`number` from 0): all its rows, and `own`, those of this process (all, when it is alone)."""

    number: int
    rows: Sequence[R]
    own: Sequence[R]
    _found: dict[str, Any] = field(default_factory=dict)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """What `compute` returned when it was first asked for in this step."""
        if name not in self._found:
            self._found[name] = compute()
        found: T = self._found[name]
        return found


@dataclass(frozen=True, kw_only=True)
class Batches(Generic[R]):
    """The micro-batches of the steps from `first` (0 is the first of all), each with its step."""

    rows: Sequence[R]
    order: order.Order
    settings: spec.Hyperparameters
    first: int

    def rate(self, taken: int) -> float:
        """What the learning rate is multiplied by when so many of these steps are taken."""
        return rate_factor(self.settings, step=self.first + taken)

    def __len__(self) -> int:
        return self.settings.max_steps * self.settings.gradient_accumulation

    def __iter__(self) -> Iterator[dict[str, Any]]:
        per_step = self.settings.gradient_accumulation
        for number in range(self.first, self.settings.max_steps):
            indices = range(number * per_step, (number + 1) * per_step)
            whole = [[self.rows[each] for each in self.order.batch(index)] for index in indices]
            own = [batch[parallel.rank() :: parallel.count()] for batch in whole]
            step = Step(
                number=number,
                rows=[row for batch in whole for row in batch],
                own=[row for batch in own for row in batch],
            )
            for batch in own:
                yield {"rows": batch, "step": step}


@dataclass(kw_only=True)
class Watch:
    """What happens after each step: looks at the watched answers, the guard, saved states, progress."""

    job: job.Job
    policy: models.Policy
    states: steps.States
    watched: probe.Probe | None
    kept: int | None = None
    keeper: guard.Guard | None = None

    def begin(self) -> None:
        self.keeper = guard.of(job=self.job, watched=self.watched)
        if self.watched is not None:
            self.watched.begin(self.policy)
        if self.keeper is not None:
            self.keeper.begin(self.policy)

    def after(self, step: int, optimizer: torch.optim.Optimizer) -> bool:
        """Say whether training may go on after step `step` (from 1). Raises Cancelled."""
        reporter, settings = self.job.reporter, self.job.settings
        change = self.watched.look(self.policy, step=step, reporter=reporter) if self.watched is not None else None
        if (
            self.keeper is not None
            and change is not None
            and not self.keeper.holds(self.policy, step=step, change=change)
        ):
            self.kept = self.keeper.restore(self.policy)
            found = {"change": change, "kept_change": self.keeper.kept_change, "allowed": settings.stop_below}
            reporter.event("stopped", step=step, kept=self.kept, **found)
            return False
        if settings.save_every and step % settings.save_every == 0 and step < settings.max_steps:
            self.states.save(step=step, policy=self.policy, optimizer=optimizer)
            reporter.event("saved", step=step)
        reporter.progress(step)
        return True


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
    from training_bridge.trainer import engine  # seconds, which a run that only samples need not pay

    settings = job.settings
    states = steps.States(folder=job.folder.steps, fingerprint=steps.fingerprint_of(job.folder.spec))
    batches = order.Order(count=len(rows), batch_size=settings.batch_size, seed=settings.seed, lengths=lengths)
    if batches.batch_size % parallel.count():
        raise errors.Refused(
            f"A batch of {batches.batch_size} rows cannot be divided evenly between {parallel.count()} processes. "
            "Choose a batch_size that is a multiple of their number."
        )
    if parallel.count() > 1:
        policy.divide()
    policy.tell(job)
    watch = Watch(job=job, policy=policy, states=states, watched=watched)
    watch.begin()
    done = states.newest_step()
    job.reporter.phase("training", total_steps=settings.max_steps, step=done)
    if done:
        job.reporter.event("resumed", step=done)
    engine.Engine(
        job=job,
        policy=policy,
        batches=Batches(rows=rows, order=batches, settings=settings, first=done),
        loss=loss,
        states=states,
        after=watch.after,
    ).run()
    if parallel.count() > 1:
        models.go_on_alone(policy, asked=job.spec)
    policy.model.eval()
    return settings.max_steps if watch.kept is None else watch.kept


def rate_factor(settings: spec.Hyperparameters, *, step: int) -> float:
    """What the learning rate is multiplied by in step `step` (from 0).

    Warm-up rises linearly over `warmup_steps` (its first step is not 0). Then `constant` stays, and `linear` falls so
    that the step after the last one would be 0.
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    if settings.lr_schedule == "constant":
        return 1.0
    return max(0.0, (settings.max_steps - step) / max(1, settings.max_steps - settings.warmup_steps))
