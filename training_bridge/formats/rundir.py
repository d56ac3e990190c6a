"""The run folder, where the two halves meet. This module owns every name in it.

    spec.json               what is asked (formats/spec.py)
    data/train.jsonl        rows to train on: formats/rows.py; for pretrain {prompt, completion}
    data/prompts.jsonl      prompts to sample from: {id?, prompt}
    status.json             the trainer's last word, replaced atomically
    events.jsonl            append-only: every object has `kind` (phase, rows, step, probe, stopped, saved, resumed,
                            sampled, end, ...), `at` (Unix seconds) and `elapsed` (seconds of this launch)
    anchors.jsonl           D2O: what the model said by itself, `after` so many steps, under which instructions (sha256)
    steps/                  resumable states, a folder each, renamed into place when whole; what the guard kept
    checkpoint/             the result, renamed into place when whole; its manifest.json lists every file
    failed-batch/           the rows of a step whose loss was no number (rows.jsonl) and its figures (step.json)
    outputs.jsonl           sampled outputs as canonical import records, renamed into place when whole
    stdout.log stderr.log   the launcher's redirections
    cancel                  its presence asks the trainer to stop

The web half writes spec.json and data/ and may create `cancel`; the GPU half writes the rest. A folder that is
launched again goes on where it stopped. Beside the run folders lies `reference-logprobs/`, which they share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from training_bridge.formats import manifest
from training_bridge.formats import spec as specs


@dataclass(frozen=True, kw_only=True)
class Status:
    """The trainer's word on itself. `state` is running, succeeded, failed or cancelled; `updated_at` is Unix seconds.

    `phase` is what it does now: starting, loading, anchors, reference, training, saving, sampling. `step` counts
    within the phase, out of `total_steps`: optimizer steps in training, outputs in sampling.
    """

    state: str
    phase: str = ""
    step: int = 0
    total_steps: int = 0
    reason: str = ""
    pid: int = 0
    updated_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RunDir:
    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def train_rows(self) -> Path:
        return self.data / "train.jsonl"

    @property
    def prompts(self) -> Path:
        return self.data / "prompts.jsonl"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def steps(self) -> Path:
        return self.path / "steps"

    @property
    def anchors(self) -> Path:
        return self.path / "anchors.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"

    @property
    def checkpoint_unfinished(self) -> Path:
        return self.path / "checkpoint.unfinished"

    @property
    def failed_batch(self) -> Path:
        return self.path / "failed-batch"

    @property
    def outputs(self) -> Path:
        return self.path / "outputs.jsonl"

    @property
    def outputs_unfinished(self) -> Path:
        return self.path / "outputs.unfinished.jsonl"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.log"

    def read_spec(self) -> specs.RunSpec:
        return specs.RunSpec.read(self.spec)

    def write_status(self, status: Status) -> None:
        """Replace status.json in one step, stamped with now and this process."""
        stamped = {**asdict(status), "updated_at": time.time(), "pid": os.getpid()}
        manifest.write_atomically(self.status, json.dumps(stamped) + "\n")

    def read_status(self) -> Status | None:
        """Return the last status, or None when the trainer has not written one that can be read."""
        try:
            values = json.loads(self.status.read_text(encoding="utf-8"))
            known = {each.name for each in fields(Status)}
            return Status(**{name: value for name, value in values.items() if name in known})
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None

    def append_event(self, event: dict[str, Any]) -> None:
        """Append one JSON line. A torn earlier line is closed first, so it can never swallow this one.

        Writers take turns: the next launch may write while a killed one is still dying in the middle of a line. NaN
        and infinity become null: browsers cannot read them.
        """
        line = (json.dumps(_finite(event), allow_nan=False) + "\n").encode()
        with self.events.open("ab+", buffering=0) as file:
            with contextlib.suppress(OSError):  # some network file systems know no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if file.seek(0, os.SEEK_END) > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            while line:
                line = line[file.write(line) :]

    def read_events(self) -> Iterator[dict[str, Any]]:
        """Yield the events in order; a torn line is passed over."""
        if not self.events.exists():
            return
        with self.events.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if isinstance(event, dict):
                    yield event

    def is_checkpoint_complete(self) -> bool:
        return (self.checkpoint / manifest.NAME).exists()


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(each) for each in value]
    return value
