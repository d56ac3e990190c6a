"""Annotators over HTTP in a closed loop, as the Work page's script does it, with a client that costs little."""

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
from typing import Any
from uuid import UUID

DATA = re.compile(rb'<script id="work-data" type="application/json">(.*?)</script>', re.DOTALL)
CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="(\w+)"')
COOKIE = re.compile(rb"Set-Cookie: csrftoken=(\w+)", re.IGNORECASE)
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
VIOLATIONS = [
    {"tag": "invented-fact", "scope": "span", "severity": "major", "start": 7, "end": 18, "critique": "not so"},
    {"tag": "ignores-instruction", "scope": "whole", "severity": "minor", "start": None, "end": None},
]


class Client:
    """One keep-alive connection. Every answer of ours has its length."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies, self.csrf = port, dict[str, str](), ""
        self.connection: socket.socket | None = None

    def request(self, method: str, path: str, body: str = "") -> tuple[int, bytes, bytes]:
        """Return status, head and body; once more on a new connection when the server closed this one between."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookies}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            head += f"Accept: application/json\r\nX-CSRFToken: {self.csrf}\r\n"
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
    """Of one loop: each request's time, and the keys of the judgments that were acknowledged."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    acknowledged: list[UUID] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.took) / self.seconds

    def add(self, other: Figures) -> None:
        """Take in what another loop measured after this one."""
        self.seconds += other.seconds
        self.gather(other)

    def gather(self, other: Figures) -> None:
        """Take in what somebody else measured at the same time."""
        self.took += other.took
        self.acknowledged += other.acknowledged


def percentile(values: list[float], percent: int) -> float:
    """In milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) * percent // 100, len(ordered) - 1)] if ordered else float("nan")


def open_page(client: Client, slug: str) -> dict[str, Any]:
    """Load the Work page and return its sheet."""
    status, _, page = client.request("GET", f"/c/{slug}/work/")
    data, csrf = DATA.search(page), CSRF.search(page)
    if status != 200 or not (data and csrf):
        raise RuntimeError(f"the Work page answered {status} without an output: {page[:2000]!r}")
    client.csrf = csrf[1].decode()
    sheet: dict[str, Any] = json.loads(data[1])["sheet"]
    return sheet


def annotate(client: Client, slug: str, until: float, figures: Figures) -> None:
    """Submit and take the next, one request each, while holding another one ahead as the page does."""
    held = [open_page(client, slug)]
    held.append(_ask(client, f"/c/{slug}/work/next/", {"besides": [held[0]["lease"]]})["sheet"])
    while (began := time.perf_counter()) < until:
        shown = held.pop(0)
        sent = {
            "verdict": "rejected",
            "violations": VIOLATIONS,
            "comment": "Two things are wrong here.",
            "besides": [sheet["lease"] for sheet in held],
            **{name: shown[name] for name in ("key", "revision", "version")},
        }
        answer = _ask(client, f"/c/{slug}/work/{shown['lease']}/judgment/", sent)
        figures.took.append(time.perf_counter() - began)
        figures.acknowledged.append(UUID(shown["key"]))
        held.append(answer["sheet"])


def _ask(client: Client, path: str, sent: dict[str, Any]) -> dict[str, Any]:
    status, _, body = client.request("POST", path, json.dumps(sent))
    if status != 200:
        raise RuntimeError(f"{path} was answered {status}: {body[:2000]!r}")
    answer: dict[str, Any] = json.loads(body)
    return answer


def take(client: Client, until: float, figures: Figures) -> None:
    while (began := time.perf_counter()) < until:
        status, _, page = client.request("GET", "/take/")
        if status != 200:
            raise RuntimeError(f"the floor answered {status}: {page[:500]!r}")
        figures.took.append(time.perf_counter() - began)


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
