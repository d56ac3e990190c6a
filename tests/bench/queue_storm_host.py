"""The web server and the database under a storm: killed without warning, by pid, and started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from annotate.hosting import postgres, supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
# Ends with us, however we end. `preexec_fn` would do it, but is not safe beside the annotators' threads.
SERVER = (
    "from annotate.hosting import children; children.die_with_parent(); from gunicorn.app import wsgiapp as w; w.run()"
)


class Web:
    """gunicorn as `manage.py up` runs it; when it ends it is started again as its supervisor would."""

    def __init__(self, *, log: IO[bytes]) -> None:
        self.log = log
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at = 0.0

    def tend(self) -> None:
        """Start what is not running. From the thread that lives longest: the kernel watches that one."""
        if self.process is not None and self.process.poll() is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None
            self.start_at = time.monotonic() + supervisor.FIRST_WAIT
        if self.process is None and time.monotonic() >= self.start_at:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, "-c", "python:annotate.hosting.web_server"],
                cwd=ROOT,
                env={**os.environ, "NEGATIVA_BIND": f"127.0.0.1:{self.port}"},
                stdin=subprocess.DEVNULL,
                stderr=self.log,  # every request that meets a dead database has a traceback
                start_new_session=True,
            )

    def kill_worker(self, chance: random.Random) -> bool:
        found = children_of(self.process.pid) if self.process else []
        return bool(found) and kill(chance.choice(found))

    def kill_server(self, _: random.Random) -> bool:
        """Only the master: that its workers go with it is its own promise."""
        return self.process is not None and self.process.poll() is None and kill(self.process.pid)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)


class Database:
    """The embedded PostgreSQL; when it ends it is started again as the platform would."""

    def __init__(self, cluster: postgres.Cluster) -> None:
        self.cluster = cluster

    def tend(self) -> None:
        if not self.cluster.running():
            self.cluster.ensure()

    def kill_session(self, chance: random.Random) -> bool:
        """One of the sessions: the server then ends all of them and recovers by itself."""
        found = [pid for pid in children_of(self._pid()) if "negativa negativa" in command_of(pid)]
        return bool(found) and kill(chance.choice(found))

    def kill_server(self, _: random.Random) -> bool:
        return self.cluster.running() and kill(self._pid())

    def _pid(self) -> int:
        return int((self.cluster.data / "postmaster.pid").read_text().splitlines()[0])


def kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
