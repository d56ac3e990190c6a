"""Starts one trainer in a run folder, outlives whoever asked for it, and writes down how the trainer ended.

    python shim.py RUN_FOLDER ATTEMPT COMMAND...

Standard library only, and run as a file: the trainer's Python need not have Django. In order:

1. takes `trainer.lock` of the folder with flock. The keeper and the trainer both hold it open, so it is free exactly
   when neither lives; a second start finds it taken and ends with code 75, touching nothing;
2. forks: the asker's child ends at once (no zombie), the keeper lives on in a session of its own;
3. starts the trainer, writes `process.json` (who they are), tells the asker, waits;
4. writes `exit.json` with the trainer's exit code or signal. A keeper that was killed too leaves none.

Why a keeper: only a parent learns an exit code, and the parent must not be a Celery worker that may be restarted.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LOCK, PROCESS, EXIT = "trainer.lock", "process.json", "exit.json"
CODE_TAKEN = 75
NICENESS = 5
# Somebody may be probing the lock at this very moment; a probe lasts microseconds.
LOCK_PATIENCE_SECONDS = 2.0


def main(folder: Path, attempt: int, command: list[str]) -> int:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    if not _lock(lock):
        return CODE_TAKEN
    reader, writer = os.pipe()
    if os.fork() > 0:
        os.close(writer)
        return 0 if os.read(reader, 1) == b"1" else 1
    os.close(reader)
    os.setsid()
    os.nice(NICENESS)
    # The keeper must see the trainer's end, so a signal to the whole group passes it by. SIGKILL does not.
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    _keep(folder, attempt, command, lock=lock, writer=writer)
    return 0


def _lock(descriptor: int) -> bool:
    until = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        else:
            return True


def _keep(folder: Path, attempt: int, command: list[str], *, lock: int, writer: int) -> None:
    # What an earlier attempt left would be read as the new one's word.
    for name in (PROCESS, EXIT, "status.json"):
        (folder / name).unlink(missing_ok=True)
    with (folder / "stdout.log").open("ab") as out, (folder / "stderr.log").open("ab") as err:
        trainer = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=(lock,),
            preexec_fn=_take_signals,
        )
    _write(folder / PROCESS, {"attempt": attempt, "keeper": identity(os.getpid()), "trainer": identity(trainer.pid)})
    with contextlib.suppress(OSError):  # the asker may be gone
        os.write(writer, b"1")
    os.close(writer)
    _write(folder / EXIT, {"attempt": attempt, "code": trainer.wait(), "at": time.time()})
    # Whatever the trainer started and left behind goes with it; the group is ours alone, and we are its last act.
    os.killpg(0, signal.SIGKILL)


def _take_signals() -> None:
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def identity(pid: int) -> dict[str, object]:
    """Return what tells this process from a later one with the same number: start time and boot (Linux)."""
    return {"pid": pid, "started": _started(pid), "boot": _boot()}


def _started(pid: int) -> str:
    try:
        # The name in parentheses may hold spaces; the start time is the 20th field after it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _write(path: Path, value: dict[str, object]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value) + "\n")
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
