"""The displacement guard: stops a run under which the watched answers fall, and gives back what it had before."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch

from training_bridge.trainer import errors, job, models, parallel, probe


def of(*, job: job.Job, watched: probe.Probe | None) -> Guard | None:
    """A guard where one is asked for. Raises Refused where there is nothing that it could watch."""
    if not job.settings.stop_below:
        return None
    if watched is None:
        raise errors.Refused("stop_below watches accepted answers, and this dataset has none. Set it to 0.")
    return Guard(folder=job.folder.steps, allowed=job.settings.stop_below)


class Guard:
    """Keeps the weights of the last look at which no more than `allowed` nats per token were lost.

    They lie in one file of `folder`, written under another name and renamed, so that a killed run still has them.
    """

    def __init__(self, *, folder: Path, allowed: float) -> None:
        self._file = folder / "kept.safetensors"
        self._allowed = allowed

    def begin(self, policy: models.Policy) -> None:
        """Keep the starting weights; call it before a state is resumed. A resumed run has kept some already."""
        if not self._file.exists():
            self._keep(policy, step=0)

    def holds(self, policy: models.Policy, *, step: int, change: float) -> bool:
        """Say whether training may go on after a look that found this change, and keep the weights if so."""
        if change < -self._allowed:
            return False
        self._keep(policy, step=step)
        return True

    def restore(self, policy: models.Policy) -> int:
        """Put the kept weights into the policy; return the step they are of."""
        policy.restore(safetensors.torch.load_file(self._file))
        with safetensors.safe_open(self._file, framework="pt") as opened:
            return int(opened.metadata()["step"])

    def _keep(self, policy: models.Policy, *, step: int) -> None:
        weights = policy.weights()
        if not parallel.is_first():
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._file.with_suffix(".unfinished")
        safetensors.torch.save_file(weights, unfinished, metadata={"step": str(step)})
        unfinished.replace(self._file)
