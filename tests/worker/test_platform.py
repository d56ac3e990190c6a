"""`manage.py up` as a person runs it: one command, a page, and nothing lost or left behind by any kill -9."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from annotate.hosting import postgres
from tests.architecture.places import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("platform"), pytest.mark.timeout(600)]


class Platform:
    def __init__(self, home: Path) -> None:
        self.home, self.log = home, home / "up.log"
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.cluster = postgres.Cluster(home=home)
        self.start()

    def start(self) -> None:
        kept_out = ("DATABASE_URL", "CELERY_BROKER_URL", "ALLOWED_HOSTS")
        environment = {name: value for name, value in os.environ.items() if name not in kept_out}
        environment |= {
            "NEGATIVA_HOME": str(self.home),
            "NEGATIVA_WEB_PROCESSES": "1",
            "NEGATIVA_WORKER_CONCURRENCY": "1",
        }
        command = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self.wait_for(lambda: "ready: " in self.log.read_text(), what="the ready line")

    def wait_for(self, is_so: Callable[[], bool], *, what: str, seconds: float = 250) -> None:
        until = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < until, f"waited too long for {what}:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.05)

    def readiness(self) -> tuple[int, dict[str, object]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, {}
        except OSError:
            return 0, {}

    def is_ready(self) -> bool:
        return self.readiness()[0] == 200

    def processes(self) -> dict[int, str]:
        """Everything that belongs to this home: pid to command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and (line := _command_of(folder)) and self._is_mine(folder, line):
                found[int(folder.name)] = line
        return found

    def _is_mine(self, folder: Path, line: str) -> bool:
        if str(self.home) in line:
            return True
        try:
            return f"NEGATIVA_HOME={self.home}\0".encode() in (folder / "environ").read_bytes()
        except OSError:
            return False

    def kill(self, *, which: str) -> None:
        """kill -9 the process the supervisor started under this name, not its children."""
        [pid] = [pid for pid, line in self.processes().items() if which in line and _parent(pid) == self.process.pid]
        os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not Path(f"/proc/{pid}").exists(), what=f"the end of {which}")


def _command_of(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if not sys.platform.startswith("linux"):
        pytest.skip("reads /proc")
    home = tmp_path_factory.mktemp("platform")
    for each in (home, *home.parents):
        if str(each).startswith("/tmp/"):
            each.chmod(0o711)
    made = Platform(home)
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGINT)
        made.process.wait(timeout=250)


def test_up_prints_where_to_go_and_the_first_admins_link(platform: Platform) -> None:
    base = f"http://127.0.0.1:{platform.port}"
    found = re.search(rf"^ready: {base}/  \(first admin: ({base}/invite/\S+/)\)$", platform.log.read_text(), re.M)
    assert found, platform.log.read_text()
    with urllib.request.urlopen(found.group(1), timeout=60) as response:
        assert response.status == 200
        assert "Content-Security-Policy" in response.headers


def test_up_refuses_a_port_that_is_taken(platform: Platform) -> None:
    command = [sys.executable, "manage.py", "up", "--port", str(platform.port)]
    environment = {**os.environ, "NEGATIVA_HOME": str(platform.home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 1
    assert f"make run PORT={platform.port + 1}" in done.stderr


def test_killed_web_server_comes_back(platform: Platform) -> None:
    before = platform.processes()
    platform.kill(which="gunicorn")
    platform.wait_for(platform.is_ready, what="the web server")
    webs = [pid for pid, line in platform.processes().items() if "gunicorn" in line]
    assert not set(webs) & set(before)


def test_killed_worker_comes_back(platform: Platform) -> None:
    platform.kill(which="worker.app worker")
    platform.wait_for(
        lambda: any("worker.app worker" in line for line in platform.processes().values()), what="the worker"
    )
    platform.wait_for(platform.is_ready, what="readiness")


def test_killed_database_comes_back_with_its_rows(platform: Platform) -> None:
    with psycopg.connect(platform.cluster.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE rows_that_stay AS SELECT generate_series(1, 100)")
    os.kill(int((platform.cluster.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    platform.wait_for(lambda: "everything committed is there" in platform.log.read_text(), what="the database")
    platform.wait_for(platform.is_ready, what="readiness")
    with psycopg.connect(platform.cluster.url()) as connection:
        assert connection.execute("SELECT count(*) FROM rows_that_stay").fetchone() == (100,)


def test_killed_supervisor_leaves_nothing_and_starts_again(platform: Platform) -> None:
    platform.process.kill()
    platform.process.wait()
    platform.wait_for(lambda: not platform.processes(), what=f"the end of {platform.processes()}")
    platform.start()
    assert platform.is_ready()


def test_ctrl_c_stops_everything(platform: Platform) -> None:
    platform.process.send_signal(signal.SIGINT)
    assert platform.process.wait(timeout=250) == 0, platform.log.read_text()
    platform.wait_for(lambda: not platform.processes(), what=f"the end of {platform.processes()}")
    assert platform.log.read_text().endswith("stopped\n")
