"""The displacement guard: stops a run under which the watched answers fall, and gives back its best look.

The best look is the one at which the watched answers were likeliest; the start counts as one. When they have fallen
further below it than the run allows, training ends and the weights of that look are handed back. So what a stopped run
hands back has done the watched answers no harm; where that is the start, they fell from the first look on, and the run
says that it learned nothing that could be kept. A run that is not stopped hands back its last weights, which were
looked at, too. Answers that are held out (`hold_out`) fall earlier than answers that are trained on.
"""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch

from training_bridge.trainer import errors, job, models, parallel, probe, steps


def of(*, job: job.Job, watched: probe.Probe | None) -> Guard | None:
    """A guard where one is asked for. Raises Refused where there is nothing that it could watch."""
    if not job.settings.stop_below:
        return None
    if watched is None:
        raise errors.Refused("stop_below needs answers to watch, and this run has none. Set it to 0.")
    spec = steps.fingerprint_of(job.folder.spec)
    return Guard(folder=job.folder.steps, allowed=job.settings.stop_below, fingerprint=spec)


class Guard:
    """Keeps the weights of the best look, and stops `allowed` nats per token below it.

    They lie in one file of `folder`, written under another name and renamed, so that a killed run still has them; the
    `fingerprint` of its spec goes with them. `kept_change` is what that look found.
    """

    def __init__(self, *, folder: Path, allowed: float, fingerprint: str) -> None:
        self._file = folder / "kept.safetensors"
        self._allowed = allowed
        self._fingerprint = fingerprint
        self._kept_step = 0
        self.kept_change = 0.0

    def begin(self, policy: models.Policy) -> None:
        """Keep the starting weights; call it before a state is resumed. A resumed run has kept some already."""
        facts = self._facts() if self._file.exists() else {}
        if facts.get("spec") == self._fingerprint:
            self._kept_step, self.kept_change = int(facts["step"]), float(facts["change"])
        else:
            self._keep(policy, step=0, change=0.0)

    def holds(self, policy: models.Policy, *, step: int, change: float) -> bool:
        """Say whether training may go on after a look that found this change; keep the weights of the best one.

        A resumed run repeats steps before the look that it kept: those looks have held once.
        """
        if step > self._kept_step and change >= self.kept_change:
            self._keep(policy, step=step, change=change)
        return step <= self._kept_step or change >= self.kept_change - self._allowed

    def restore(self, policy: models.Policy) -> int:
        """Put the kept weights into the policy; return the step they are of."""
        policy.restore(safetensors.torch.load_file(self._file))
        return self._kept_step

    def _facts(self) -> dict[str, str]:
        with safetensors.safe_open(self._file, framework="pt") as opened:
            return opened.metadata() or {}

    def _keep(self, policy: models.Policy, *, step: int, change: float) -> None:
        self._kept_step, self.kept_change = step, change
        weights = policy.weights()
        if not parallel.is_first():
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".unfinished")
        facts = {"step": str(step), "change": str(change), "spec": self._fingerprint}
        safetensors.torch.save_file(weights, unfinished, metadata=facts)
        unfinished.replace(self._file)
