"""Keeps the demo's row up to date while it is told: heartbeat, step, progress, and what came of each step."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from training_bridge.demo import actions, models, steps

WRITE_SECONDS = 0.5


class Listener(Protocol):
    """Somebody who watches beside the row: the command's progress bar."""

    def moved(self, *, title: str, message: str, progress: float) -> None: ...
    def finished(self, *, title: str, note: str) -> None: ...


class Telling:
    """One process's hold on a DemoRun. Every method may raise ClaimLost, which ends the story."""

    def __init__(
        self, *, run: models.DemoRun, claim: uuid.UUID, clock: Callable[[], datetime], listener: Listener
    ) -> None:
        self.run_id = run.pk
        self.seed = run.seed
        self.claim = claim
        self.clock = clock
        self.notes: dict[str, str] = dict(run.notes)
        self._listener = listener
        self._step = steps.STEPS[0]
        self._written_at = 0.0

    @contextmanager
    def step(self, key: str) -> Iterator[None]:
        self._step = steps.STEPS[steps.KEYS.index(key)]
        self.move(0.0, "", is_forced=True)
        yield
        self._listener.finished(title=self._step.title, note=self.notes.get(key, ""))

    def note(self, text: str) -> None:
        """Say what came of the step; this is what marks it as done."""
        self.notes[self._step.key] = text
        self.move(1.0, text, is_forced=True)

    def move(self, fraction: float, message: str, *, is_forced: bool = False) -> None:
        """Tell how far the step is; the row is written at most twice a second."""
        progress = steps.overall(key=self._step.key, fraction=fraction)
        self._listener.moved(title=self._step.title, message=message, progress=progress)
        if not is_forced and time.monotonic() - self._written_at < WRITE_SECONDS:
            return
        actions.report(
            run_id=self.run_id,
            claim=self.claim,
            now=self.clock(),
            step=self._step.key,
            message=message[:300],
            progress=progress,
            notes=self.notes,
        )
        self._written_at = time.monotonic()
