"""The supervisor alone, with small programs instead of the platform's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from annotate.hosting import supervisor

PROGRAM = """
import signal, sys
from pathlib import Path
from annotate.hosting import supervisor
folder = Path(sys.argv[1])
def program(name, text, **options):
    return supervisor.Program(name=name, command=[sys.executable, "-c", text, str(folder)], **options)
steady = "import sys, time; print('here', flush=True); time.sleep(100)"
slow = (
    "import pathlib, signal, sys, time\\n"
    "def end(*_): time.sleep(0.3); (pathlib.Path(sys.argv[1]) / 'slow-ended').touch(); sys.exit()\\n"
    "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(100)"
)
parent = (
    "import subprocess, sys, time\\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\\n"
    "print('grandchild', child.pid, flush=True); time.sleep(100)"
)
supervisor.Supervisor(
    programs=[program("first", steady), program("second", slow, stop_group=1), program("parent", parent)],
    folder=Path.cwd(), on_tick=lambda: None,
).run()
"""


class Running:
    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=log, stderr=log)

    def wait_for(self, is_so: Callable[[], bool], *, what: str) -> None:
        until = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < until, f"waited too long for {what}:\n{self.log.read_text()}"
            time.sleep(0.02)

    def wait_for_line(self, text: str, *, times: int = 1) -> None:
        self.wait_for(lambda: self.log.read_text().count(text) >= times, what=text)

    def children(self) -> list[int]:
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in task.read_text().split()]

    def grandchild(self) -> int:
        return int(self.log.read_text().split("grandchild ")[-1].split()[0])


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def running(tmp_path: Path) -> Running:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    made = Running(tmp_path)
    for line in ("first  | here", "second | ready", "parent | grandchild"):
        made.wait_for_line(line)
    return made


def test_stop_is_in_order_and_leaves_nothing(running: Running, tmp_path: Path) -> None:
    pids = [*running.children(), running.grandchild()]
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=60) == 0
    assert (tmp_path / "slow-ended").exists()
    assert not any(is_alive(pid) for pid in pids)


def test_killed_child_starts_again_without_its_leftovers(running: Running) -> None:
    grandchild = running.grandchild()
    for pid in running.children():
        if Path(f"/proc/{pid}/cmdline").read_text().count("grandchild"):
            os.kill(pid, signal.SIGKILL)
    running.wait_for_line("grandchild", times=2)
    assert "parent | ended by SIGKILL; starts again in 0.5 s" in running.log.read_text()
    running.wait_for(lambda: not is_alive(grandchild), what="the first grandchild's end")
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(timeout=60) == 0


def test_killed_supervisor_takes_its_children_along(running: Running) -> None:
    pids = running.children()
    grandchild = running.grandchild()
    running.process.kill()
    running.process.wait()
    running.wait_for(lambda: not any(is_alive(pid) for pid in pids), what="the children's end")
    # A grandchild that takes no care of itself is the child's business (web_server and lifelines do take care).
    os.kill(grandchild, signal.SIGKILL)


def test_wait_doubles_up_to_a_limit_and_is_forgotten_after_steady_work(tmp_path: Path) -> None:
    program = supervisor.Program(name="gone", command=[sys.executable, "-c", "raise SystemExit(3)"])
    stopped_after = 2

    def on_tick() -> None:
        if "starts again in 1.0 s" in "".join(said):
            one.is_stopping = True

    said: list[str] = []
    one = supervisor.Supervisor(programs=[program], folder=tmp_path, on_tick=on_tick)
    one.say = lambda text, *, name="up": said.append(text)  # type: ignore[method-assign]
    one.run()
    ended = [line for line in said if line.startswith("ended with status 3")]
    assert [line.split()[-2] for line in ended[:stopped_after]] == ["0.5", "1.0"]
