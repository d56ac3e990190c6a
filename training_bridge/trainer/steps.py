"""Resumable states: what a killed run needs to end with the same weights as one that was left alone.

A state is a folder `step-000050` with weights.safetensors (trained parameters), optimizer.safetensors and state.json.
It is written under a dotted name and renamed when whole, so a state that has its name can be trusted. No pickles. It
holds whole tensors, so another number of processes may go on from it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from training_bridge.trainer import models, parallel

KEEP = 2
TRAINER_STATE_NAME = "trainer_state.json"
TRAINER_STATE = {"logging_steps": 1, "train_batch_size": 1}  # with the step: what transformers goes on from


@dataclass(frozen=True, kw_only=True)
class States:
    """The folder steps/ of one run. `fingerprint` ties a state to its spec: another spec's state is never resumed."""

    folder: Path
    fingerprint: str

    def save(self, *, step: int, policy: models.Policy, optimizer: torch.optim.Optimizer) -> None:
        """Write the state after `step` steps, keep the newest KEEP. An interrupted write leaves the older ones."""
        weights, moments = policy.weights(), _flat_optimizer(optimizer)
        if not parallel.is_first():
            return
        target = self.folder / f"step-{step:06d}"
        unfinished = self.folder / f".{target.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            safetensors.torch.save_file(weights, unfinished / "weights.safetensors")
            safetensors.torch.save_file(moments, unfinished / "optimizer.safetensors")
            facts = {"step": step, "spec": self.fingerprint}
            (unfinished / "state.json").write_text(json.dumps(facts), encoding="utf-8")
            (unfinished / TRAINER_STATE_NAME).write_text(
                json.dumps({**TRAINER_STATE, "global_step": step}), encoding="utf-8"
            )
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        for old in self.whole()[:-KEEP]:
            shutil.rmtree(old)

    def whole(self) -> list[Path]:
        """Finished states of this spec, oldest first."""
        found = sorted(self.folder.glob("step-*"))
        return [path for path in found if _facts(path).get("spec") == self.fingerprint]

    def newest(self) -> Path | None:
        states = self.whole()
        return states[-1] if states else None

    def newest_step(self) -> int:
        """The step to go on from; 0 is the beginning."""
        state = self.newest()
        return int(_facts(state)["step"]) if state else 0


def restore_weights(state: Path, *, policy: models.Policy) -> None:
    policy.restore(safetensors.torch.load_file(state / "weights.safetensors"))


def restore_optimizer(state: Path, *, optimizer: torch.optim.Optimizer) -> None:
    """Put the moments back, divided between the processes as the parameters are, and the random generators."""
    flat = safetensors.torch.load_file(state / "optimizer.safetensors")
    _restore_chance(flat)
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        like = parameters[int(index)]
        moments.setdefault(int(index), {})[name] = parallel.divided_as(value, like) if value.dim() else value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def fingerprint_of(spec_file: Path) -> str:
    return hashlib.sha256(spec_file.read_bytes()).hexdigest()


def _facts(path: Path) -> dict[str, Any]:
    file = path / "state.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _flat_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Optimizer moments as `index.name`, and the random generators."""
    flat = {
        f"{index}.{name}": parallel.whole(value)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }
    flat["rng.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        flat["rng.cuda"] = torch.cuda.get_rng_state()
    return flat


def _restore_chance(flat: dict[str, Tensor]) -> None:
    torch.set_rng_state(flat.pop("rng.cpu"))
    cuda = flat.pop("rng.cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)
