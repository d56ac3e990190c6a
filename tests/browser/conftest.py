"""Chromium over a live server. Without a browser on the machine these tests are skipped, and say so."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect, sync_playwright

if TYPE_CHECKING:  # this file is read before Django has its settings
    from annotate.accounts.models import User

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_SECONDS = 30  # Playwright's own for everything but `expect`, which gives up after five
Open = Callable[..., Page]


def chromium() -> str | None:
    """Return the browser: Debian's, or another Chromium or Chrome on the path."""
    if Path("/usr/bin/chromium").exists():
        return "/usr/bin/chromium"
    return shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    missing = pytest.mark.skip(reason="needs Chromium (apt install chromium): the browser tests did not run")
    for item in items:
        if here not in Path(item.fspath).parents:
            continue
        item.add_marker(pytest.mark.browser)
        # What Chromium and Playwright lose between them, once in thousands of tests, is no finding about a page.
        item.add_marker(pytest.mark.flaky(reruns=1))
        if chromium() is None:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, in which Django would refuse to talk to the database.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=1_000 * PATIENCE_SECONDS)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield launched
        launched.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def gate(live_server: Any) -> Gate:
    return Gate(live_server.thread.httpd)


@pytest.fixture
def open_page(browser: Browser, live_server: Any, gate: Gate) -> Iterator[Open]:
    """Return `open_page(path, user=None, **context)`: a page of its own context, signed in as the user.

    A script that fails, a message of the content security policy or an answer of 500 fails the test at its end.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_it(path: str, user: User | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        if user is not None:
            context.add_cookies([_session(user, live_server.url)])
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 500 else None)
        page.on("dialog", lambda dialog: _dismiss(dialog, wrong))
        page.goto(path)
        return page

    gate.open()
    yield open_it
    gate.shut()
    found = list(wrong)
    for context in contexts:
        context.close()
    assert found == []


class Gate:
    """Stands before the live server. Once it is shut nothing is being answered, and what comes late is sent away.

    A page that closes sends requests that nobody waits for; one that met the emptying of the tables, after the test's
    fixtures have ended, would deadlock. So the gate stays shut until the next test opens it.
    """

    def __init__(self, server: Any) -> None:
        self._application = server.get_app()
        self._is_open = False
        self._losing = ""
        self._inside: set[object] = set()
        self._changed = threading.Condition()
        server.set_app(self)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        visit = object()
        with self._changed:
            if not self._is_open:
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return []
            self._inside.add(visit)
            is_lost = bool(self._losing) and environ["PATH_INFO"].endswith(self._losing)
            self._losing = "" if is_lost else self._losing
        try:
            if is_lost:
                return Visit(_lost(self._application, environ, start_response), lambda: self._leave(visit))
            return Visit(self._application(environ, start_response), lambda: self._leave(visit))
        except BaseException:
            self._leave(visit)
            raise

    def open(self) -> None:
        with self._changed:
            self._is_open = True
            self._losing = ""

    def lose_next(self, end: str) -> None:
        """The next request whose path ends so is answered, and the answer lost: somebody between says 429.

        Not 408, after which Chromium itself sends the request again.
        """
        self._losing = end

    def shut(self) -> None:
        """Let nothing more in, and wait until everybody has left.

        Raises:
            AssertionError: a request is still being answered after half a minute.
        """
        with self._changed:
            self._is_open = False
            assert self._changed.wait_for(lambda: not self._inside, timeout=PATIENCE_SECONDS), "a request does not end"

    def _leave(self, visit: object) -> None:
        with self._changed:
            self._inside.discard(visit)
            self._changed.notify_all()


def _lost(application: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    answer = application(environ, lambda status, *_: None)
    b"".join(answer)
    answer.close()
    start_response("429 Too Many Requests", [("Content-Length", "0")])
    yield b""


class Visit:
    """An answer being sent: it ends when the server closes it, sent whole or not."""

    def __init__(self, answer: Any, leave: Callable[[], None]) -> None:
        self._answer, self._leave = answer, leave

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        try:
            self._answer.close()
        finally:
            self._leave()


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for what a request does on the server that the page does not wait for."""
    for _ in range(40 * PATIENCE_SECONDS):
        if holds():
            return
        page.wait_for_timeout(25)
    raise AssertionError("it never came to be")


def _dismiss(dialog: Dialog, wrong: list[str]) -> None:
    wrong.append(f"a dialog: {dialog.message}")
    dialog.dismiss()


def _session(user: User, url: str) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(user)
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
