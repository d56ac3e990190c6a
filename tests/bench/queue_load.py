"""Annotators over HTTP in a closed loop, as the Work page's own form does it, with a client that costs little."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

TOKEN = re.compile(rb'action="(/c/[^"]+/work/[0-9a-f-]{36}/)"')
KEY = re.compile(rb'name="idempotency_key" value="([0-9a-f-]{36})"')
CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="(\w+)"')
COOKIE = re.compile(rb"Set-Cookie: csrftoken=(\w+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
PLACE = re.compile(rb"\r\nLocation: (\S+)", re.IGNORECASE)
VIOLATIONS = [
    {"tag": "invented-fact", "scope": "span", "severity": "major", "start": 7, "end": 18, "critique": "not so"},
    {"tag": "ignores-instruction", "scope": "whole", "severity": "minor", "start": None, "end": None},
]


class Client:
    """One keep-alive connection. Every answer of ours has its length."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, dict[str, str]()
        self.connection: socket.socket | None = None

    def request(self, method: str, path: str, body: str = "") -> tuple[int, bytes, bytes]:
        """Return status, head and body; once more on a new connection when the server closed this one between."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n"
        if body:
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        sent = f"{head}\r\n{body}".encode()
        try:
            return self._exchange(sent)
        except OSError:
            self.connection = None
            return self._exchange(sent)

    def _exchange(self, sent: bytes) -> tuple[int, bytes, bytes]:
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(sent)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self._receive()
        head, _, body = got.partition(b"\r\n\r\n")
        found = LENGTH.search(head)
        missing = int(found[1]) - len(body) if found else 0
        while missing > 0:
            body += (part := self._receive())
            missing -= len(part)
        if cookie := COOKIE.search(head):
            self.cookies["csrftoken"] = cookie[1].decode()
        if b"\r\nconnection: close" in head.lower():
            self.connection = None
        return int(head[9:12]), head, body

    def _receive(self) -> bytes:
        assert self.connection is not None
        part = self.connection.recv(65536)
        if not part:
            raise ConnectionResetError
        return part


@dataclass
class Figures:
    seconds: float = 0.0
    next: list[float] = field(default_factory=list)
    submit: list[float] = field(default_factory=list)
    acknowledged: list[UUID] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.submit) / self.seconds

    def add(self, other: Figures) -> None:
        """Take in what another loop measured after this one."""
        self.seconds += other.seconds
        self.gather(other)

    def gather(self, other: Figures) -> None:
        """Take in what somebody else measured at the same time."""
        self.next += other.next
        self.submit += other.submit
        self.acknowledged += other.acknowledged


def percentile(values: list[float], percent: int) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else float("nan")


def annotate(client: Client, slug: str, until: float, figures: Figures) -> None:
    place = f"/c/{slug}/work/"
    while True:
        began = time.perf_counter()
        status, _, page = client.request("GET", place)
        if time.perf_counter() > until:
            return
        action, key, csrf = TOKEN.search(page), KEY.search(page), CSRF.search(page)
        if status != 200 or not (action and key and csrf):
            raise RuntimeError(f"the Work page answered {status} without a form: {page[:2000]!r}")
        figures.next.append(time.perf_counter() - began)
        form: dict[str, str] = {
            "csrfmiddlewaretoken": csrf[1].decode(),
            "idempotency_key": key[1].decode(),
            "version": "0",
            "violations": json.dumps(VIOLATIONS),
            "comment": "Two things are wrong here.",
            "verdict": "rejected",
        }
        began = time.perf_counter()
        status, head, page = client.request("POST", action[1].decode(), urlencode(form))
        found = PLACE.search(head)
        if status != 302 or not found:
            raise RuntimeError(f"submit was answered {status}: {page[:2000]!r}")
        figures.submit.append(time.perf_counter() - began)
        figures.acknowledged.append(UUID(form["idempotency_key"]))
        place = found[1].decode()


def take(client: Client, until: float, figures: Figures) -> None:
    while (began := time.perf_counter()) < until:
        status, _, page = client.request("GET", "/take/")
        if status != 200:
            raise RuntimeError(f"the floor answered {status}: {page[:500]!r}")
        figures.submit.append(time.perf_counter() - began)


def loop(*, clients: list[Client], seconds: float, work: Callable[[Client, float, Figures], None]) -> Figures:
    """Run `work` for every client at once, for `seconds`, and return what they measured together."""
    each = [Figures() for _ in clients]
    began = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        futures = [pool.submit(work, client, began + seconds, own) for client, own in zip(clients, each, strict=True)]
        for future in futures:
            future.result()
    together = Figures(seconds=time.perf_counter() - began)
    for own in each:
        together.gather(own)
    return together


@contextlib.contextmanager
def served(*, settings: str = "annotate.settings", application: str = "") -> Iterator[int]:
    """gunicorn as `manage.py up` runs it, on a free port, for the time of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-c", "python:annotate.hosting.web_server"]
    environment = {**os.environ, "NEGATIVA_BIND": f"127.0.0.1:{port}", "DJANGO_SETTINGS_MODULE": settings}
    server = subprocess.Popen([*command, *filter(None, [application])], env=environment)
    try:
        _wait_for(port)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        threading.Event().wait(0.1)
    raise RuntimeError("the web server did not start")
