"""A real worker process on the message queue in PostgreSQL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import psycopg.conninfo
import pytest
from django.db import connection
from pytest_django import Settings

from annotate.hosting.models import Heartbeat
from tests.architecture.places import ROOT
from worker import broker
from worker.app import app

TASK = "tests.worker.slow_tasks.write"

pytestmark = pytest.mark.django_db(transaction=True)


def wait_for(is_so: Callable[[], bool], *, what: str, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"waited too long for {what}"
        time.sleep(0.05)


@pytest.fixture
def queue(settings: Settings) -> Iterator[kombu.Connection]:
    """The queue in the test database, empty."""
    name = connection.settings_dict["NAME"]
    settings.DATABASE_CONNINFO = psycopg.conninfo.make_conninfo(settings.DATABASE_CONNINFO, dbname=name)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pgmq.drop_queue(queue_name) FROM pgmq.list_queues()")
    with kombu.Connection(broker.URL, transport_options=broker.options()) as found:
        yield found


class Worker:
    def __init__(self, conninfo: str, log: Path) -> None:
        self.log = log
        command = [
            sys.executable,
            "-m",
            "celery",
            "-q",
            "-A",
            "tests.worker.slow_tasks",
            "worker",
            "--concurrency",
            "1",
        ]
        environment = {**os.environ, "DATABASE_URL": conninfo, "CELERY_BROKER_URL": ""}
        Heartbeat.objects.all().delete()
        with log.open("a") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
        wait_for(lambda: Heartbeat.objects.filter(role="worker").exists() or self._is_dead(), what="a heartbeat")

    def _is_dead(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return False

    def pool(self) -> list[int]:
        task = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for each in task.iterdir() for pid in (each / "children").read_text().split()]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(queue: kombu.Connection, settings: Settings, tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def make() -> Worker:
        started.append(Worker(settings.DATABASE_CONNINFO, tmp_path / "worker.log"))
        return started[-1]

    yield make
    for worker in started:
        worker.stop()


def test_task_runs_and_is_done_once(start: Callable[[], Worker], queue: kombu.Connection, tmp_path: Path) -> None:
    start()
    out = tmp_path / "out"
    app.send_task(TASK, args=[str(out), 0], connection=queue)
    wait_for(lambda: out.exists() and "end" in out.read_text(), what="the task")
    wait_for(lambda: waiting() == 0, what="the acknowledgement")


def test_task_of_a_killed_worker_comes_back(
    start: Callable[[], Worker], queue: kombu.Connection, tmp_path: Path
) -> None:
    first = start()
    out = tmp_path / "out"
    app.send_task(TASK, args=[str(out), 0.5], connection=queue)
    wait_for(lambda: out.exists() and "start" in out.read_text(), what="the first start")
    pool = first.pool()
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    wait_for(
        lambda: not any(Path(f"/proc/{pid}/cmdline").read_text() for pid in pool if exists(pid)), what="the pool's end"
    )
    assert waiting() == 1
    with connection.cursor() as cursor:  # a minute passes
        cursor.execute("UPDATE pgmq.q_celery SET vt = now()")
    start()
    wait_for(lambda: out.read_text().count("start") == 2 and "end" in out.read_text(), what="the second run")
    wait_for(lambda: waiting() == 0, what="the acknowledgement")


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pgmq.q_celery")
        return int(cursor.fetchone()[0])
