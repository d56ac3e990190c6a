"""Resumable states: what a killed run needs to end with the same weights as one that was left alone.

A state is a folder `step-000050` with weights.safetensors (trained parameters), optimizer.safetensors and state.json.
It is written under a dotted name and renamed when whole, so a state that has its name can be trusted. No pickles.
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

from training_bridge.trainer import models

KEEP = 2


@dataclass(frozen=True, kw_only=True)
class States:
    """The folder steps/ of one run. `fingerprint` ties a state to its spec: another spec's state is never resumed."""

    folder: Path
    fingerprint: str

    def save(self, *, step: int, policy: models.Policy, optimizer: torch.optim.Optimizer) -> Path:
        """Write the state after `step` steps, keep the newest KEEP. An interrupted write leaves the older ones."""
        target = self.folder / f"step-{step:06d}"
        unfinished = self.folder / f".{target.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            safetensors.torch.save_file(_flat_weights(policy), unfinished / "weights.safetensors")
            safetensors.torch.save_file(_flat_optimizer(optimizer), unfinished / "optimizer.safetensors")
            facts = {"step": step, "spec": self.fingerprint}
            (unfinished / "state.json").write_text(json.dumps(facts), encoding="utf-8")
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        for old in self.whole()[:-KEEP]:
            shutil.rmtree(old)
        return target

    def whole(self) -> list[Path]:
        """Finished states of this spec, oldest first."""
        found = sorted(self.folder.glob("step-*"))
        return [path for path in found if _facts(path).get("spec") == self.fingerprint]

    def resume(self, *, policy: models.Policy, optimizer: torch.optim.Optimizer) -> int:
        """Put the last whole state into the model, the optimizer and the random generators; return its step, or 0."""
        states = self.whole()
        if not states:
            return 0
        weights = safetensors.torch.load_file(states[-1] / "weights.safetensors")
        with torch.no_grad():
            for name, parameter in policy.trainable().items():
                parameter.copy_(weights[name])
        _restore_optimizer(optimizer, safetensors.torch.load_file(states[-1] / "optimizer.safetensors"))
        return int(_facts(states[-1])["step"])


def fingerprint_of(spec_file: Path) -> str:
    return hashlib.sha256(spec_file.read_bytes()).hexdigest()


def _facts(path: Path) -> dict[str, Any]:
    file = path / "state.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _flat_weights(policy: models.Policy) -> dict[str, Tensor]:
    return {name: each.detach().cpu().contiguous() for name, each in policy.trainable().items()}


def _flat_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Optimizer moments as `index.name`, and the random generators."""
    flat = {
        f"{index}.{name}": value.detach().cpu().contiguous()
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }
    flat["rng.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        flat["rng.cuda"] = torch.cuda.get_rng_state()
    return flat


def _restore_optimizer(optimizer: torch.optim.Optimizer, flat: dict[str, Tensor]) -> None:
    torch.set_rng_state(flat.pop("rng.cpu"))
    cuda = flat.pop("rng.cuda", None)
    if cuda is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(cuda)
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, name = key.split(".", 1)
        moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
