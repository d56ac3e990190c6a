"""Two processes against one, through the whole trainer: rows and spans as text, torchrun, FSDP2, a checkpoint."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from training_bridge.formats import rundir
from training_bridge.trainer import job, reporting
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import kto

WITHIN = 1e-5  # float32: rows are added up in another order
SECONDS = 300
TOLD = ("loss", "kl", "nll_accepted", "grad_norm", "tokens")
SETTINGS = {
    "learning_rate": 1e-2,
    "max_steps": 3,
    "batch_size": 4,
    "gradient_accumulation": 2,
    "retain_weight": 0.5,
    "save_every": 0,
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run's steps told, and its final weights in a line."""

    told: list[float]
    weights: Tensor


@claim("parallel")
def two_processes_equal_one() -> None:
    """KTO with KL, span masks and retain term in two processes with divided weights ends as it does in one."""
    together, alone = _together(), _alone()
    assert_close(together.told, alone.told, within=WITHIN)
    assert_close(together.weights, alone.weights, within=WITHIN)


@functools.cache
def _together() -> Outcome:
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        place = _prepared(Path(name))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        ended = subprocess.run(
            [*command, "-m", "training_bridge.trainer", str(place.path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if ended.returncode:
            status = place.read_status()
            raise AssertionError(f"two processes failed: {status.reason if status else ''} {ended.stderr[-2000:]}")
        return _outcome(place)


def _alone() -> Outcome:
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        place = _prepared(Path(name))
        kto.run(job.Job(folder=place, spec=place.read_spec(), reporter=reporting.Reporter(place)))
        return _outcome(place)


def _prepared(folder: Path) -> rundir.RunDir:
    base = toys.base(folder / "base")
    return toys.folder(folder / "run", method="kto", base=base, rows=_rows(), **SETTINGS)


def _rows() -> list[dict[str, Any]]:
    """Sixteen rows of unlike lengths, five of them accepted: no two processes have as many."""
    chance = random.Random(11)
    found = []
    for number in range(16):
        prompt, answer = (toys.text(chance, chance.randint(2, 9)) for _ in range(2))
        spans = [] if number % 3 else [{"start": 0, "end": 3, "tag": "t", "severity": "major", "constraint": None}]
        found.append({"prompt": prompt, "completion": answer, "label": number % 3 == 1, "spans": spans})
    return found


def _outcome(place: rundir.RunDir) -> Outcome:
    steps = [event for event in place.read_events() if event["kind"] == "step"]
    weights = safetensors.torch.load_file(place.checkpoint / "model.safetensors")
    return Outcome(
        told=[float(event[name]) for event in steps for name in TOLD if name in event],
        weights=torch.cat([weights[name].reshape(-1) for name in sorted(weights)]),
    )
