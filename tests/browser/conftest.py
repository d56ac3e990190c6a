"""Chromium over a live server. Without a browser on the machine these tests are skipped, and say so."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page, sync_playwright

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
Open = Callable[..., Page]
QUIET_SECONDS = 0.1
# A page that closes gives back what it holds, which nobody waits for.
SAY_NOTHING = "addEventListener('pagehide', (event) => event.stopImmediatePropagation(), { capture: true })"


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
        if chromium() is None:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread, in which Django would refuse to talk to the database.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        yield launched
        launched.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def open_page(browser: Browser, live_server: Any) -> Iterator[Open]:
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
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
        page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 500 else None)
        page.on("dialog", lambda dialog: _dismiss(dialog, wrong))
        page.goto(path)
        return page

    with traffic() as wait_until_quiet:
        yield open_it
        for context in contexts:
            for page in context.pages:
                with contextlib.suppress(Error):  # it is gone already
                    page.evaluate(SAY_NOTHING)
            wait_until_quiet()
            context.close()
        wait_until_quiet()
    assert wrong == []


@contextlib.contextmanager
def traffic() -> Iterator[Callable[[], None]]:
    """Yield a function that waits until the server has nothing to answer: the tables are emptied then."""
    from django.core import signals

    lock, active, changed_at = threading.Lock(), 0, time.monotonic()

    def count(by: int) -> None:
        nonlocal active, changed_at
        with lock:
            active, changed_at = active + by, time.monotonic()

    def began(**_: object) -> None:
        count(1)

    def ended(**_: object) -> None:
        count(-1)

    def wait_until_quiet() -> None:
        patient_until = time.monotonic() + 15
        while time.monotonic() < patient_until and (active > 0 or time.monotonic() - changed_at < QUIET_SECONDS):
            time.sleep(0.02)

    signals.request_started.connect(began)
    signals.request_finished.connect(ended)
    try:
        yield wait_until_quiet
    finally:
        signals.request_started.disconnect(began)
        signals.request_finished.disconnect(ended)


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for what a request does on the server that the page does not wait for."""
    for _ in range(400):
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
