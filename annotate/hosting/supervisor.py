"""Keeps a few child processes running, in one thread: restarts with backoff, prefixed lines, stops in order.

Each child is a session of its own, so that Ctrl-C reaches only this process; and the kernel ends it when this process
is gone. Children of a child (gunicorn's workers, Celery's pool) are in its process group or end with it.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotate.hosting import children

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
STEADY_AFTER = 30.0
TICK = 0.25
LONGEST_LINE = 65_536


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run. `stop_group` orders the stop: all of group 0 end before group 1 is asked to."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    stop_group: int = 0
    stop_seconds: float = 10.0
    death_signal: signal.Signals = signal.SIGTERM


@dataclass(kw_only=True)
class Child:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    wait: float = FIRST_WAIT
    unfinished: bytes = b""


class Supervisor:
    """Runs the programs until SIGINT or SIGTERM. `on_tick` is called about four times a second."""

    def __init__(self, *, programs: Sequence[Program], folder: Path, on_tick: Callable[[], None]) -> None:
        self.folder, self.on_tick = folder, on_tick
        self.children = [Child(program=program) for program in programs]
        self.is_stopping = False
        self._selector = selectors.DefaultSelector()
        self._width = max(len(program.name) for program in programs)

    def run(self) -> None:
        with self._signals():
            while not self.is_stopping:
                self._start_due()
                self.on_tick()
                self._listen(TICK)
                self._reap()
            self._stop()

    def say(self, text: str, *, name: str = "up") -> None:
        """One line on our standard output; nobody listening is no reason to stop."""
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{name:<{self._width}} | {text}\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        woken, wake = _pipe()
        self._selector.register(woken, selectors.EVENT_READ, None)
        before_wake = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        before = {each: signal.signal(each, self._on_stop) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(before_wake)
            self._selector.unregister(woken)
            os.close(woken)
            os.close(wake)

    def _on_stop(self, *_: object) -> None:
        if self.is_stopping:
            self._kill_all()
        self.is_stopping = True

    def _start_due(self) -> None:
        for child in self.children:
            if child.process is None and time.monotonic() >= child.restart_at:
                self._start(child)

    def _start(self, child: Child) -> None:
        program = child.program
        child.process = subprocess.Popen(
            program.command,
            cwd=self.folder,
            env={**os.environ, **program.environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=children.dies_with_parent(program.death_signal),
        )
        child.started_at = time.monotonic()
        assert child.process.stdout is not None
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _listen(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Child):
                self._forward(key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    os.read(key.fd, 4096)

    def _forward(self, child: Child) -> None:
        """Print the child's whole lines."""
        if child.process is None or child.process.stdout is None:
            return
        with contextlib.suppress(BlockingIOError):
            said = os.read(child.process.stdout.fileno(), LONGEST_LINE)
            if not said:
                self._selector.unregister(child.process.stdout)
                child.process.stdout.close()
                child.process.stdout = None
            child.unfinished += said
        *lines, child.unfinished = child.unfinished.split(b"\n")
        if len(child.unfinished) > LONGEST_LINE:
            lines, child.unfinished = [*lines, child.unfinished], b""
        for line in lines:
            self.say(line.decode(errors="replace").rstrip(), name=child.program.name)

    def _reap(self) -> None:
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                self._after_end(child)

    def _after_end(self, child: Child) -> None:
        process = child.process
        assert process is not None
        self._sweep_group(process)
        self._forward(child)
        if process.stdout is not None:
            self._selector.unregister(process.stdout)
            process.stdout.close()
        child.process, child.unfinished = None, b""
        if self.is_stopping:
            return
        now = time.monotonic()
        child.wait = FIRST_WAIT if now - child.started_at > STEADY_AFTER else child.wait
        child.restart_at = now + child.wait
        self.say(f"ended {_how(process.returncode)}; starts again in {child.wait:.1f} s", name=child.program.name)
        child.wait = min(child.wait * 2, LONGEST_WAIT)

    def _sweep_group(self, process: subprocess.Popen[bytes]) -> None:
        """Whatever is left in the group of a child that ended ends too, before the child starts again."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)

    def _stop(self) -> None:
        self.say("stopping")
        for group in sorted({child.program.stop_group for child in self.children}):
            self._stop_group([child for child in self.children if child.program.stop_group == group])

    def _stop_group(self, group: Sequence[Child]) -> None:
        running = [child for child in group if child.process is not None]
        for child in running:
            self._send(child, signal.SIGTERM)
        until = time.monotonic() + max((child.program.stop_seconds for child in running), default=0)
        while any(child.process for child in running) and time.monotonic() < until:
            self._listen(0.05)
            self._reap()
        for child in running:
            if child.process is not None:
                self.say("did not stop in time and is killed; its work is found again", name=child.program.name)
                self._sweep_group(child.process)
                child.process.wait()
        self._reap()

    def _kill_all(self) -> None:
        for child in self.children:
            if child.process is not None:
                self._sweep_group(child.process)

    def _send(self, child: Child, how: signal.Signals) -> None:
        if child.process is not None:
            child.process.send_signal(how)


def _pipe() -> tuple[int, int]:
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    return woken, wake


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"
