"""A server on loopback that speaks OpenAI's chat completions as it is told to, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from annotate.asking import configured

Script = Callable[[dict[str, Any]], "Said"]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is sent back; with `is_stuck` the body never comes."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_stuck: bool = False


def completion(text: object, *, prompt_tokens: int = 40, answer_tokens: int = 7) -> Said:
    """An answer as such servers give it."""
    values = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": answer_tokens},
    }
    return Said(body=json.dumps(values).encode())


def verdict(*, violated: bool, quote: str = "", why: str = "") -> Said:
    return completion(json.dumps({"violated": violated, "quote": quote, "why": why}))


def refused(status: int, message: str = "no", **headers: str) -> Said:
    return Said(status=status, body=json.dumps({"error": {"message": message}}).encode(), headers=headers)


def text_of(asked: dict[str, Any]) -> str:
    """The part of a judge's question that holds the output."""
    return str(asked["messages"][-1]["content"]).split("--- TEXT ")[1]


class Server:
    """`script` says what is answered to a request's JSON; `asked` are those requests, `headers` theirs."""

    def __init__(self) -> None:
        self.script: Script = lambda asked: completion("no")
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append({"path": self.path, **asked})
                outer.headers.append(dict(self.headers.items()))
                with contextlib.suppress(OSError):  # whoever asked may have gone away
                    outer._answer(self, outer.script(asked))

            def log_message(self, format: str, *args: object) -> None:
                """Keep the tests' output clean."""

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True

    def _answer(self, handler: http.server.BaseHTTPRequestHandler, said: Said) -> None:
        handler.send_response(said.status)
        for name, value in said.headers.items():
            handler.send_header(name, value)
        if said.is_stuck:
            handler.end_headers()
            self.over.wait()
            return
        handler.send_header("Content-Length", str(len(said.body)))
        handler.end_headers()
        handler.wfile.write(said.body)

    def model(self, name: str = "local", **more: Any) -> configured.Model:
        url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        return configured.Model(**{"name": name, "base_url": url, "model": "small", "timeout": 30, **more})


@contextlib.contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.http.shutdown()
        thread.join()
        server.http.server_close()
