"""What the trainer tells the web half: status, events, heartbeat; and the one question it asks: shall I stop?"""

from __future__ import annotations

import dataclasses
import resource
import threading
import time
from types import TracebackType
from typing import Any, Self

from training_bridge.formats import rundir
from training_bridge.trainer import errors

HEARTBEAT_SECONDS = 1.0


class Reporter:
    """Keeps status.json fresh from a daemon thread while the main thread works; a context manager.

    `progress` only changes memory, so it may be called thousands of times a second; the thread writes what is newest
    every HEARTBEAT_SECONDS. Phases and the end are written at once.

    A silent one, of every process but the first, writes nothing and does not look for the cancel file: the launcher
    ends all processes when one ends.
    """

    def __init__(self, folder: rundir.RunDir, *, is_silent: bool = False) -> None:
        self._folder = folder
        self._is_silent = is_silent
        self._status = rundir.Status(state="running", phase="starting")
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._started = time.monotonic()
        self._stop_asked = False
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    @property
    def is_finished(self) -> bool:
        return self._done.is_set()

    @property
    def phase_name(self) -> str:
        return self._status.phase

    def phase(self, name: str, *, total_steps: int = 0, step: int = 0) -> None:
        """Say what begins now. Also looks at the cancel file, so no phase starts after it. Raises Cancelled."""
        self._change(phase=name, step=step, total_steps=total_steps)
        self._write()
        self.event("phase", phase=name, total_steps=total_steps)
        self.check()

    def progress(self, step: int) -> None:
        """Note how far the phase is and whether to stop. Raises Cancelled."""
        self._change(step=step)
        self.check()

    def event(self, kind: str, **facts: Any) -> None:
        if self._is_silent:
            return
        elapsed = round(time.monotonic() - self._started, 3)
        self._folder.append_event({"kind": kind, "at": round(time.time(), 3), "elapsed": elapsed, **facts})

    def ask_to_stop(self) -> None:
        self._stop_asked = True

    def check(self) -> None:
        """Raise Cancelled when the run folder has a `cancel` file or the process was asked to stop."""
        if self._stop_asked or (not self._is_silent and self._folder.cancel.exists()):
            raise errors.Cancelled

    def finish(self, state: str, reason: str = "") -> None:
        """Write the last status; the heartbeat changes nothing after it."""
        self._done.set()
        with self._lock:
            self._status = dataclasses.replace(self._status, state=state, reason=reason)
        self._write()
        self.event("end", state=state, reason=reason)

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._status = dataclasses.replace(self._status, **changes)

    def _write(self) -> None:
        if self._is_silent:
            return
        with self._lock:
            self._folder.write_status(self._status)

    def _beat(self) -> None:
        while not self._done.wait(HEARTBEAT_SECONDS):
            try:
                self._write()
            except OSError:
                # A full disk must not end the heartbeat: the main thread meets it too and names it.
                continue


def memory_mib() -> int:
    """The largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
