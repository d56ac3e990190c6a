"""What every recipe is handed."""

from __future__ import annotations

from dataclasses import dataclass

from training_bridge.formats import rundir
from training_bridge.formats import spec as specs
from training_bridge.trainer import reporting


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run: where it lives, what is asked, and whom to tell."""

    folder: rundir.RunDir
    spec: specs.RunSpec
    reporter: reporting.Reporter

    @property
    def settings(self) -> specs.Hyperparameters:
        return self.spec.hyperparameters
