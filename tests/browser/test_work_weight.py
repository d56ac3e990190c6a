"""What the Work page costs on a cold cache, as production serves it: bytes, requests, no other origin, no waterfall."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, Page

from annotate import settings as production
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from tests.annotate.queue import rows
from tests.browser.conftest import Open, _session
from tests.browser.work import BLOOM, WORK, prefetched

pytestmark = pytest.mark.django_db(transaction=True)

BUDGET = 120_000
TRANSFERRED = """() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
  .map(({ name, transferSize }) => [name, transferSize])"""


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


@pytest.fixture
def production_url(tmp_path: Path, transactional_db: None) -> Iterator[str]:
    """A server whose static files are collected, compressed and served as in production."""
    with override_settings(STORAGES=production.STORAGES, STATIC_ROOT=tmp_path):
        call_command("collectstatic", interactive=False, verbosity=0)
        thread = LiveServerThread("localhost", lambda application: application, connections_override={})  # type: ignore[arg-type]
        thread.daemon = True
        thread.start()
        thread.is_ready.wait()
        if thread.error:
            raise thread.error
        yield f"http://localhost:{thread.port}"
        thread.terminate()
    connections.close_all()


def transferred(page: Page) -> dict[str, int]:
    return dict(page.evaluate(TRANSFERRED))


def test_the_page_is_light_on_a_cold_cache(
    browser: Browser, production_url: str, campaign: Campaign, ada: User
) -> None:
    rows.outputs(campaign, BLOOM * 5, BLOOM)
    context = browser.new_context(base_url=production_url)
    context.add_cookies([_session(ada, production_url)])
    page = context.new_page()
    page.goto(WORK)
    prefetched(page)
    sizes = transferred(page)
    context.close()
    assert len(sizes) > 20
    assert all(url.startswith(production_url) for url in sizes)
    assert not any("htmx" in url for url in sizes)
    assert sum(sizes.values()) < BUDGET, sorted(sizes.items(), key=lambda each: -each[1])[:10]


def test_every_module_is_preloaded_and_none_besides(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page(WORK, ada)
    prefetched(page)
    preloaded = page.evaluate("[...document.querySelectorAll('link[rel=modulepreload]')].map(({ href }) => href)")
    imported: set[str] = set()
    waiting: list[Any] = page.evaluate("[...document.querySelectorAll('script[type=module]')].map(({ src }) => src)")
    first = set(waiting)
    while waiting:
        url = waiting.pop()
        source = page.request.get(url).text()
        for line in source.splitlines():
            if line.startswith(("import ", "export ")) and '"' in line and ".js" in line:
                found = str(page.evaluate("([path, base]) => new URL(path, base).href", [line.split('"')[1], url]))
                if found not in imported:
                    imported.add(found)
                    waiting.append(found)
    assert sorted(preloaded) == sorted(imported - first)
