"""The run folder, where the two halves meet. This module owns every name in it.

    spec.json  data/  status.json  events.jsonl  checkpoint/  outputs.jsonl  stdout.log  stderr.log  cancel  steps/

The web half writes spec.json and data/ and may create `cancel`; the GPU half writes the rest.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from training_bridge.formats import manifest, spec


@dataclass(frozen=True, kw_only=True)
class Status:
    """The trainer's word on itself. `state` is running, succeeded, failed or cancelled; `updated_at` is Unix seconds.

    `phase` is what it does now: loading, anchors, reference, training, saving, sampling.
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
    def outputs(self) -> Path:
        return self.path / "outputs.jsonl"

    @property
    def cancel(self) -> Path:
        return self.path / "cancel"

    @property
    def stdout(self) -> Path:
        return self.path / "stdout.log"

    @property
    def stderr(self) -> Path:
        return self.path / "stderr.log"

    def read_spec(self) -> spec.RunSpec:
        return spec.RunSpec.read(self.spec)

    def write_status(self, status: Status) -> None:
        """Replace status.json in one step, stamped with now and this process."""
        stamped = {**asdict(status), "updated_at": time.time(), "pid": os.getpid()}
        manifest.write_atomically(self.status, json.dumps(stamped) + "\n")

    def read_status(self) -> Status | None:
        """Return the last status, or None when the trainer has not written one."""
        try:
            return Status(**json.loads(self.status.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def append_event(self, event: dict[str, Any]) -> None:
        """Append one JSON line. A torn earlier line is closed first, so it can never swallow this one."""
        line = json.dumps(event) + "\n"
        with self.events.open("ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())

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
