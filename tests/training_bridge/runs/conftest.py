"""A launcher that starts the small trainer, and a folder for runs that ends with the test."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from training_bridge.formats import rundir
from training_bridge.runs.launchers import process

SMALL_TRAINER = Path(__file__).with_name("small_trainer.py")


@pytest.fixture
def manner(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set what the next trainer does; `finish` unless told."""

    def choose(name: str) -> None:
        def command(*, folder: rundir.RunDir) -> list[str]:
            return [sys.executable, str(SMALL_TRAINER), str(folder.path), name]

        monkeypatch.setattr(process, "trainer_command", command)

    choose("finish")
    return choose


@pytest.fixture
def runs_folder(settings: LazySettings) -> Iterator[Path]:
    """`settings.RUNS`, whose trainers are ended with the test."""
    yield settings.RUNS
    for folder in settings.RUNS.glob("*"):
        for name in ("trainer", "keeper"):
            pid = pid_in(folder, name)
            if pid and is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def pid_in(folder: Path, name: str) -> int:
    return int(process._read(folder / "process.json").get(name, {}).get("pid", 0))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
