"""One cell: a world, a seed, a method with its settings; trained by a run folder, measured, one line of results."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tests.bench.science import bases, measuring, policies, worlds
from training_bridge.formats import rundir, spec

SCRATCH, ANCHORS = "runs", "anchors.jsonl"
CHECK = {"check": "python", "function": "training_bridge.demo.check.findings"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`method` empty is the base itself. `is_rejected_only` leaves the accepted rows out."""

    world: str
    seed: int
    label: str
    method: str = ""
    is_rejected_only: bool = False
    has_tries: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.world}/{self.seed}/{self.label}"


def run(cell: Cell, *, work: Path) -> dict[str, Any]:
    """Train and measure; a run that failed says so in `reason` and has no figures."""
    torch.set_num_threads(1)
    started = time.process_time()
    place = worlds.WORLDS[cell.world]
    base = bases.prepare(place, seed=cell.seed, work=work)
    found = {"key": cell.key, **asdict(cell), "reason": "", "events": {}}
    checkpoint = base.checkpoint
    folder = work / SCRATCH / cell.key.replace("/", "_").replace(" ", "_")
    try:
        if cell.method:
            shutil.rmtree(folder, ignore_errors=True)
            made = _prepared(cell, base, folder)
            bases.launch(made)
            found["events"] = _events(made)
            checkpoint = made.checkpoint
            _keep_anchors(made, base)
        policy = policies.load(checkpoint)
        found |= measuring.measured(policy, base, has_tries=cell.has_tries)
    except RuntimeError as error:
        found["reason"] = str(error)
    shutil.rmtree(folder, ignore_errors=True)
    return {**found, "seconds": round(time.process_time() - started, 1)}


def _prepared(cell: Cell, base: bases.Base, folder: Path) -> rundir.RunDir:
    made = rundir.RunDir(path=folder)
    made.data.mkdir(parents=True)
    is_on_policy = cell.method in spec.ON_POLICY
    bases.write_rows(made.train_rows, _rows(cell, base))
    settings = {
        "device": "cpu",
        "seed": cell.seed,
        "max_length": base.place.max_length,
        "save_every": 0,
        **({"rollout_max_new_tokens": base.place.max_new_tokens} if is_on_policy else {}),
        **({"anchor_max_new_tokens": base.place.max_new_tokens} if cell.method == "d2o" else {}),
        **({"max_length": 0} if cell.method == "cut" else {}),  # its critiques' words are characters to this tokenizer
        **cell.hyperparameters,
    }
    spec.RunSpec.from_dict(
        {
            "method": cell.method,
            "base": {"location": str(base.checkpoint)},
            "checkpoint_name": folder.name,
            "hyperparameters": settings,
            **({"checks": [CHECK]} if is_on_policy else {}),
        }
    ).write(made.spec)
    known = base.rows.parent / ANCHORS
    if cell.method == "d2o" and known.exists():
        shutil.copy(known, made.anchors)
    return made


def _rows(cell: Cell, base: bases.Base) -> list[dict[str, Any]]:
    if cell.method in spec.ON_POLICY:
        return [{"prompt": each.prompt} for each in base.held_in]
    rows = [json.loads(line) for line in base.rows.read_text(encoding="utf-8").splitlines()]
    if "d2o" in spec.ROWS[cell.method]:
        return [{**row, "rejected": row["completion"]} for row in rows if not row["label"]]
    if cell.method in ("dpo", "orpo"):
        return [pair for row in rows if not row["label"] and (pair := bases.corrected(row))]
    if cell.method == "cut":
        return [bases.criticised(row) for row in rows]
    return [row for row in rows if not (cell.is_rejected_only and row["label"])]


def _keep_anchors(made: rundir.RunDir, base: bases.Base) -> None:
    """The anchors depend on the base and the seed alone: the next D2O cell of this base reads them."""
    known = base.rows.parent / ANCHORS
    if made.anchors.exists() and not known.exists():
        shutil.copy(made.anchors, known.with_suffix(".new"))
        known.with_suffix(".new").replace(known)


def _events(made: rundir.RunDir) -> dict[str, Any]:
    """The probe's changes, and where the guard stopped the run."""
    events = list(made.read_events())
    stopped = [each for each in events if each["kind"] == "stopped"]
    return {
        "probe": [[each["step"], round(each["change"], 4)] for each in events if each["kind"] == "probe"],
        "stopped_at": stopped[0]["step"] if stopped else None,
        "kept": stopped[0]["kept"] if stopped else None,
    }
