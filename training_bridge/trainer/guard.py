"""The displacement guard: stops a run under which the watched answers fall, and gives back what it had before.

What is handed back is of the last look at which the watched answers had lost no more than the run allows: of all the
weights that did no more harm than that, those which learned longest. A look is no measure of what was learned, so none
is called better than another. At the first look that does not hold training ends, and the last step is looked at, too,
so no checkpoint of a guarded run has weights that were not looked at. Where the very first look fails these are the
starting weights, and the run says that it learned nothing that could be kept.
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
    """Keeps the weights of the last look at which no more than `allowed` nats per token were lost.

    They lie in one file of `folder`, written under another name and renamed, so that a killed run still has them; the
    `fingerprint` of its spec goes with them. `kept_change` is what that look found, once they were given back.
    """

    def __init__(self, *, folder: Path, allowed: float, fingerprint: str) -> None:
        self._file = folder / "kept.safetensors"
        self._allowed = allowed
        self._fingerprint = fingerprint
        self.kept_change = 0.0

    def begin(self, policy: models.Policy) -> None:
        """Keep the starting weights; call it before a state is resumed. A resumed run has kept some already."""
        if not self._file.exists() or self._facts().get("spec") != self._fingerprint:
            self._keep(policy, step=0, change=0.0)

    def holds(self, policy: models.Policy, *, step: int, change: float) -> bool:
        """Say whether training may go on after a look that found this change, and keep the weights if so."""
        if change < -self._allowed:
            return False
        self._keep(policy, step=step, change=change)
        return True

    def restore(self, policy: models.Policy) -> int:
        """Put the kept weights into the policy; return the step they are of."""
        policy.restore(safetensors.torch.load_file(self._file))
        facts = self._facts()
        self.kept_change = float(facts["change"])
        return int(facts["step"])

    def _facts(self) -> dict[str, str]:
        with safetensors.safe_open(self._file, framework="pt") as opened:
            return opened.metadata() or {}

    def _keep(self, policy: models.Policy, *, step: int, change: float) -> None:
        weights = policy.weights()
        if not parallel.is_first():
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".unfinished")
        facts = {"step": str(step), "change": str(change), "spec": self._fingerprint}
        safetensors.torch.save_file(weights, unfinished, metadata=facts)
        unfinished.replace(self._file)
