"""The whole platform under one supervisor: which programs, in which order, and when it is ready."""

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from annotate.hosting import addresses, postgres, supervisor

ASK_EVERY = 0.25
COMPLAIN_AFTER = 20.0
DATABASE_EVERY = 0.5
PROJECT = Path(__file__).resolve().parent.parent.parent


def programs(*, host: str, port: int, allowed_hosts: str) -> list[supervisor.Program]:
    """Web and beat stop first, then the worker, so that what it finishes is the last thing done."""
    python, common = [sys.executable, "-m"], {"ALLOWED_HOSTS": allowed_hosts}
    celery = [*python, "celery", "-q", "-A", "worker.app"]
    return [
        supervisor.Program(
            name="web",
            command=[*python, "gunicorn", "-c", "python:annotate.hosting.web_server"],
            environment={**common, "NEGATIVA_BIND": f"{addresses.in_url(host)}:{port}"},
            stop_seconds=12,
        ),
        supervisor.Program(name="beat", command=[*celery, "beat", "--loglevel=INFO"], environment=common),
        supervisor.Program(
            name="worker",
            command=[*celery, "worker", "--loglevel=INFO", *WORKER_OPTIONS],
            environment=common,
            stop_group=1,
            stop_seconds=20,
            # A worker that is asked to stop while its broker is gone lingers, trying to reach it.
            death_signal=signal.SIGKILL,
        ),
    ]


WORKER_OPTIONS = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Platform:
    """Runs the programs and watches the embedded database, if there is one."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        allowed_hosts: list[str],
        cluster: postgres.Cluster | None,
        invite: Callable[[], str],
    ) -> None:
        self.host, self.port, self.cluster, self.invite = host, port, cluster, invite
        self.allowed_hosts = allowed_hosts
        self.ready_at: float | None = None
        self._asked_at = self._checked_at = 0.0
        self._started_at = self._complained_at = time.monotonic()
        self.supervisor = supervisor.Supervisor(
            programs=programs(host=host, port=port, allowed_hosts=",".join(allowed_hosts)),
            folder=PROJECT,
            on_tick=self._tick,
        )

    def run(self) -> None:
        self.supervisor.run()

    def _tick(self) -> None:
        now = time.monotonic()
        if self.cluster is not None and now - self._checked_at > DATABASE_EVERY:
            self._checked_at = now
            self._watch_database(self.cluster)
        if self.ready_at is None and now - self._asked_at > ASK_EVERY:
            self._asked_at = now
            self._ask()

    def _watch_database(self, cluster: postgres.Cluster) -> None:
        if cluster.running():
            return
        self.supervisor.say("ended unexpectedly; starts again", name="database")
        try:
            cluster.ensure()
        except postgres.ClusterError as error:
            self.supervisor.say(f"did not start, tried again soon: {error}", name="database")
            self._checked_at = time.monotonic() + 5
            return
        self.supervisor.say("runs again; everything committed is there", name="database")

    def _ask(self) -> None:
        waiting_for = self._not_ready()
        if not waiting_for:
            self.ready_at = time.monotonic()
            self._tell()
        elif time.monotonic() - self._complained_at > COMPLAIN_AFTER:
            self._complained_at = time.monotonic()
            self.supervisor.say(f"not ready yet: {waiting_for}")

    def _not_ready(self) -> str:
        """Why /readyz is not content, or an empty string."""
        connection = http.client.HTTPConnection(addresses.reachable(host=self.host), self.port, timeout=2)
        try:
            connection.request("GET", "/readyz", headers={"Host": self._host_header()})
            response = connection.getresponse()
            if response.status == 200:
                return ""
            parts = json.loads(response.read())["parts"]
        except (OSError, http.client.HTTPException):
            return "the web server does not answer yet"
        except (ValueError, KeyError):
            return f"the web server answers with status {response.status}"
        return "; ".join(f"{name}: {part['reason']}" for name, part in parts.items() if not part["is_ready"])

    def _host_header(self) -> str:
        named = [each.lstrip(".") for each in self.allowed_hosts if each != "*"]
        return named[0] if named else "localhost"

    def _tell(self) -> None:
        base = f"http://{addresses.in_url(addresses.reachable(host=self.host))}:{self.port}"
        path = self.invite()
        first_admin = f"  (first admin: {base}{path})" if path else ""
        seconds = time.monotonic() - self._started_at
        if self.host in addresses.EVERYWHERE:
            self.supervisor.say(f"answers to {', '.join(self.allowed_hosts)}; set ALLOWED_HOSTS for other names")
        self.supervisor.say(f"all parts were ready after {seconds:.1f} s; Ctrl-C stops them")
        print(f"ready: {base}/{first_admin}", flush=True)  # noqa: T201 - the line people and programs wait for


def state_folder(home: Path) -> None:
    """The home folder is its owner's business; its parts that hold people's data are closed to others."""
    home.mkdir(parents=True, exist_ok=True)
    for name in ("uploads", "datasets", "runs", "logs", "secrets"):
        (home / name).mkdir(exist_ok=True, mode=0o700)
    os.environ.setdefault("NEGATIVA_HOME", str(home))
