"""Every page for everybody: axe-core finds nothing against WCAG 2.2 AA, narrow and zoomed pages do not scroll sideways.

A page that is not visited here fails test_every_page_is_visited: add it to `visits`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, reverse
from playwright.sync_api import Page, Route

from frontend import urls as frontend_urls
from tests.browser import looking
from tests.browser.access_world import World
from tests.browser.conftest import Open

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

ERRORS = ("400.html", "403.html", "403_csrf.html", "404.html", "500.html")


@dataclass(frozen=True)
class Visit:
    """A page as it is looked at: what it is called, where it is, and what is done there first."""

    name: str
    path: str
    act: Callable[[Page], None] | None = None


def _of(
    world: World, name: str, query: str = "", *, act: Callable[[Page], None] | None = None, says: str = ""
) -> Visit:
    pattern = next(each for each in _patterns() if each.name == name)
    given = world.arguments(name)
    path = reverse(name, kwargs={argument: given[argument] for argument in pattern.pattern.converters})
    return Visit(name=f"{name} {says}".strip(), path=path + query, act=act)


def visits(world: World) -> list[Visit]:
    """Every page, and those that look different when they are empty, refuse something or show a dialog."""
    pages = [_of(world, name) for name in SIGNED_IN]
    empty = [_of_empty(world, name) for name in WHEN_EMPTY]
    others = [
        _of(world, "keys", says="refused", act=_posts("#key-minor", "g", "Save the keys")),
        _of(
            world, "account", says="refused", act=_posts("#current", "wrong", "Change the password", {"#new": "x" * 12})
        ),
        _of(world, "constraint-check", says="refused", act=_posts("#text", "check: none", "Preview")),
        _of(world, "campaign-new", says="refused", act=_posts("#name", "!", "Create the campaign")),
        _of(world, "campaign-tags-edit", says="refused", act=_posts("#tag-key-1", "g", "Save a new version")),
        _of(world, "campaign-tags", "?version=1", says="of a version"),
        Visit("not found", "/nowhere/"),
        *(Visit(name, f"/shown/{name}") for name in ERRORS),
    ]
    return [*pages, *empty, *others]


SIGNED_IN = (
    "home",
    "account",
    "keys",
    "campaign-new",
    "campaign",
    "campaign-tags",
    "campaign-tags-edit",
    "campaign-people",
    "campaign-settings",
    "import",
    "import-batch",
    "outputs",
    "output",
    "work",
    "work-output",
    "work-mine",
    "quality",
    "agreement",
    "reliability",
    "skipped",
    "constraints",
    "scorecard",
    "convergence",
    "constraint-similar",
    "constraint-sets",
    "constraint-set",
    "constraint",
    "constraint-rounds",
    "constraint-check",
    "checks",
    "check-disagreements",
    "verify",
    "datasets",
    "dataset-new",
    "dataset",
    "runs",
    "run-new",
    "run",
    "checkpoints",
    "checkpoint-new",
    "checkpoint",
    "schedules",
    "schedule-new",
    "schedule",
    "demo",
    "invitation",
)
SIGNED_OUT = ("sign-in", "invitation")
WHEN_EMPTY = (
    "campaign",
    "campaign-people",
    "import",
    "outputs",
    "work",
    "work-mine",
    "quality",
    "agreement",
    "reliability",
    "skipped",
    "constraints",
    "scorecard",
    "convergence",
    "constraint-similar",
    "constraint-sets",
    "verify",
    "checks",
    "check-disagreements",
    "datasets",
    "dataset-new",
    "runs",
    "checkpoints",
    "schedules",
)


def _of_empty(world: World, name: str) -> Visit:
    return Visit(f"{name} empty", reverse(name, args=[world.empty.slug]))


def _posts(field: str, value: str, button: str, more: dict[str, str] | None = None) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        for selector, text in {field: value, **(more or {})}.items():
            page.fill(selector, text)
        with page.expect_response(lambda response: response.request.method == "POST") as answered:
            page.locator("main").get_by_role("button", name=button).last.click()
        assert answered.value.status == 422, (page.url, answered.value.status)
        page.wait_for_load_state()

    return act


def _patterns() -> list[URLPattern]:
    return [each for each in frontend_urls.urlpatterns if isinstance(each, URLPattern)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _shown(route: Route) -> None:
    """Fulfil with the page of an error, as the server would answer it when it happens."""
    route.fulfill(body=render_to_string(Path(route.request.url).name), content_type="text/html")


def test_every_page_is_visited(world: World) -> None:
    """An address of the people's door that answers GET with a page is in one of the lists above."""
    client = Client()
    client.force_login(world.ada)
    missed = []
    for pattern in _patterns():
        if pattern.name in {*SIGNED_IN, *SIGNED_OUT}:
            continue
        given = world.arguments(str(pattern.name))
        unknown = set(pattern.pattern.converters) - set(given)
        assert not unknown, f"access_world.World.arguments has nothing for {unknown} of {pattern.name}"
        path = reverse(str(pattern.name), kwargs={name: given[name] for name in pattern.pattern.converters})
        answer = client.get(path)
        if answer.status_code != 405 and "text/html" in answer.get("Content-Type", ""):
            missed.append(pattern.name)
    assert missed == []


def test_axe_core_is_the_one_that_was_vendored() -> None:
    import hashlib

    for entry in json.loads((looking.AXE.parent / "VENDOR.json").read_text()):
        assert hashlib.sha256((looking.AXE.parent / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_every_page_is_for_everybody(world: World, open_page: Open) -> None:
    ada, stranger = looking.opened(open_page, world.ada), looking.opened(open_page)
    ada.context.route("**/shown/*.html", _shown)
    found = {visit.name: wrong for visit in visits(world) if (wrong := _visited(ada, visit))}
    for name in SIGNED_OUT:
        visit = _of(world, name, says="signed out")
        if wrong := _visited(stranger, visit):
            found[visit.name] = wrong
    assert found == {}, json.dumps(found, indent=1)


def _visited(page: Page, visit: Visit) -> list[str]:
    page.goto(visit.path)
    if visit.act:
        visit.act(page)
    return looking.look(page)
