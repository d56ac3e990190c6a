"""Every page for everybody: axe-core finds nothing against WCAG 2.2 AA, narrow and zoomed pages do not scroll sideways.

A page that is not visited here fails test_every_page_is_visited: add it to `visits`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import URLPattern, reverse
from playwright.sync_api import Page, Route, ViewportSize, expect

from annotate.accounts.models import User
from frontend import urls as frontend_urls
from tests.annotate.queue import rows
from tests.browser import access_world
from tests.browser.access_world import World
from tests.browser.conftest import Open

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
NARROW_RULES = ["target-size", "scrollable-region-focusable"]
DESK = ViewportSize(width=1280, height=800)
ZOOMED = ViewportSize(width=640, height=400)  # 1280 x 800 at 200 %
NARROW = ViewportSize(width=320, height=640)  # 1280 at 400 %
ERRORS = ("400.html", "403.html", "403_csrf.html", "404.html", "500.html")

# WCAG 1.4.12: what people set, and nothing may be lost.
SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
p { margin-bottom: 2em !important; }"""
SPACE_OUT = """(css) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
}"""
# Elements that stand out at the side, and parts that scroll sideways although they are neither tables nor code.
OVER_THE_EDGE = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); // what resizes by itself
  const width = document.documentElement.clientWidth;
  const inside = [...document.body.querySelectorAll("*")].filter((each) => {
    if (each.scrollWidth <= each.clientWidth + 1) return false;
    if (each.matches(".table-wrap, .tabs, pre, input, textarea")) return false;
    return each.clientWidth && ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
  }).map((each) => `scrolls inside: ${each.tagName.toLowerCase()}#${each.id}.${each.className}`);
  if (document.documentElement.scrollWidth <= width) return inside;
  const isInScroller = (element) => {
    for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(each).overflowX)) return true;
    }
    return false;
  };
  const over = [...document.body.querySelectorAll("*")].filter((each) => {
    const { right, width: own } = each.getBoundingClientRect();
    return own > 0 && right > width + 1 && !isInScroller(each);
  });
  const named = over.map((each) => `${each.tagName.toLowerCase()}${each.id && "#" + each.id}.${each.className}`);
  return [...inside, `scrolls to ${document.documentElement.scrollWidth}: ${named.slice(0, 5).join(", ")}`];
}"""
# Text that is cut off where nobody can scroll to it.
CUT_OFF = """() => [...document.body.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  if (style.webkitLineClamp !== "none") return false; // an excerpt; its link leads to the whole
  const isCut = ["hidden", "clip"].includes(style.overflowY) && each.scrollHeight > each.clientHeight + 2;
  return isCut && each.clientHeight > 2 && each.textContent.trim() && style.clipPath === "none";
}).map((each) => `cut off: ${each.tagName.toLowerCase()}.${each.className} ${each.textContent.trim().slice(0, 40)}`)"""


# Nothing moves for those who ask for that.
MOVING = """() => document.getAnimations().map(({ effect, animationName, transitionProperty }) =>
  `moves: ${effect?.target?.className} ${animationName ?? transitionProperty}`)"""


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


def axe(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds: one line per rule and element."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": WCAG}
    found = page.evaluate(
        """async (options) => {
          const { violations } = await axe.run(document, options);
          return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => {
            return [id, target.join(" "), failureSummary];
          }));
        }""",
        {"runOnly": only, "resultTypes": ["violations"], "rules": {} if rules else {"target-size": {"enabled": True}}},
    )
    return [f"{rule}: {target}: {' '.join(said.split())[:300]}" for rule, target, said in found]


def settle(page: Page) -> None:
    """Fonts, modules and what they changed at once."""
    page.evaluate("document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => done())))")


def look(page: Page) -> list[str]:
    """Everything that is wrong with the page as it stands, in every way of looking at it."""
    settle(page)
    found: list[str] = axe(page) + page.evaluate(MOVING)
    page.emulate_media(color_scheme="dark")
    found += [f"dark {each}" for each in axe(page, COLOURS)]
    page.emulate_media(color_scheme="light")
    for name, size in (("at 200 %", ZOOMED), ("at 320 px", NARROW)):
        page.set_viewport_size(size)
        found += [f"{name} {each}" for each in page.evaluate(OVER_THE_EDGE)]
    found += [f"at 320 px {each}" for each in axe(page, NARROW_RULES)]
    page.evaluate(SPACE_OUT, SPACED)
    found += [f"spaced out {each}" for each in page.evaluate(OVER_THE_EDGE) + page.evaluate(CUT_OFF)]
    page.evaluate("() => { document.adoptedStyleSheets = []; }")
    page.set_viewport_size(DESK)
    return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def opened(open_page: Open, user: User | None = None) -> Page:
    """A browser with axe-core in every page of it."""
    page = open_page("/healthz", user, viewport=DESK, color_scheme="light", reduced_motion="reduce")
    page.context.add_init_script(path=AXE)
    return page


@pytest.fixture
def work_page(open_page: Open) -> Page:
    """The Work page with a violation and its script running."""
    campaign = rows.campaign()
    campaign.guidelines = access_world.GUIDELINES
    campaign.save()
    rows.outputs(campaign, access_world.MARKDOWN, prompt=f"What is {access_world.LONG_WORD}?")
    page = opened(open_page, rows.person("ada", campaign=campaign))
    page.goto("/c/answers/work/")
    expect(page.locator("#output")).to_be_focused()
    page.keyboard.press("1")
    page.locator("#violations li").wait_for()
    return page


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

    for entry in json.loads((AXE.parent / "VENDOR.json").read_text()):
        assert hashlib.sha256((AXE.parent / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]


def test_every_page_is_for_everybody(world: World, open_page: Open) -> None:
    ada, stranger = opened(open_page, world.ada), opened(open_page)
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
    return look(page)


DIALOGS = {"skip": "#open-skip", "guidelines": "#open-guidelines", "keys": "#open-keys"}
SYSTEMS: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def test_the_work_page_and_its_dialogs_are_for_everybody(work_page: Page) -> None:
    found = {"marked": look(work_page)}
    for name, opener in DIALOGS.items():
        work_page.locator(opener).click()
        work_page.locator(f"#{name}").wait_for()
        found[name] = look(work_page)
        work_page.keyboard.press("Escape")
        work_page.locator(f"#{name}").wait_for(state="hidden")
    assert not any(found.values()), json.dumps(found, indent=1)


# What a person sees of the focus: an outline, or a bar beside the text under judgment.
FOCUS_SEEN = """() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const bar = getComputedStyle(element, "::before");
  const hasBar = bar.content !== "none" && parseFloat(bar.width) >= 2 && bar.backgroundColor !== "rgba(0, 0, 0, 0)";
  const { tagName, id, className, textContent } = element;
  const name = `${tagName.toLowerCase()}#${id}.${className} ${textContent.trim().slice(0, 20)}`;
  const wasHere = element.hasAttribute("data-was-here");
  element.setAttribute("data-was-here", "");
  return { name, wasHere, isSeen: (outlineStyle !== "none" && parseFloat(outlineWidth) >= 1) || hasBar };
}"""


def test_focus_is_seen_wherever_tab_leads_on_the_work_page(work_page: Page) -> None:
    work_page.locator(".skip-link").focus()
    seen: list[str] = []
    for _ in range(150):
        found = work_page.evaluate(FOCUS_SEEN)
        if found["wasHere"] or found["name"].startswith("body"):
            break
        assert found["isSeen"], found["name"]
        seen.append(found["name"])
        work_page.keyboard.press("Tab")
    names = " ".join(seen)
    for wanted in ("#output", "#open-keys", "#open-skip", "#send", "chip", "violation-remove", "severity is-minor"):
        assert wanted in names, (wanted, seen)


def test_the_theme_is_the_systems_until_one_is_chosen(open_page: Open) -> None:
    page = open_page("/account/", rows.person("ada"), color_scheme="light")

    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))

    def choose(theme: str) -> None:
        with page.expect_navigation():
            page.locator("main").get_by_role("button", name=theme, exact=True).click()
        expect(page.locator("main").get_by_role("button", name=theme, exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )

    light = paper()
    page.emulate_media(color_scheme="dark")
    dark = paper()
    assert light != dark
    for theme, expected in (("Light", light), ("Dark", dark)):
        page.locator("main").get_by_role("button", name=theme, exact=True).click()
        expect(page.locator("main").get_by_role("button", name=theme, exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )
        for system in SYSTEMS:
            page.emulate_media(color_scheme=system)
            assert paper() == expected, (theme, system)
    choose("System")
    for system, expected in zip(SYSTEMS, (light, dark), strict=True):
        page.emulate_media(color_scheme=system)
        assert paper() == expected


def test_nothing_moves_when_that_is_asked_for(work_page: Page) -> None:
    for key in ("ArrowRight", "Shift+ArrowRight", "1", "m", "Control+z", "g", "?", "Escape"):
        work_page.keyboard.press(key)
        assert work_page.evaluate(MOVING) == []


def test_forced_colours_keep_what_colours_say(work_page: Page) -> None:
    """High contrast takes backgrounds away: what is pressed, how far something is, and the focus must still be seen."""
    work_page.emulate_media(forced_colors="active")
    assert look_of(work_page, "#violations [aria-pressed=true][data-severity]") != look_of(
        work_page, "#violations [aria-pressed=false][data-severity]"
    )
    work_page.locator("#output").focus()
    assert work_page.evaluate(FOCUS_SEEN)["isSeen"]
    assert work_page.evaluate("getComputedStyle(document.querySelector('progress')).appearance") != "none"
    assert axe(work_page) == []


def look_of(page: Page, selector: str) -> str:
    """Everything but the text that sets an element off in forced colours."""
    return str(
        page.locator(selector).first.evaluate(
            """(element) => {
              const names = ["color", "border", "background-color", "font-weight", "outline", "text-decoration"];
              return names.map((name) => getComputedStyle(element).getPropertyValue(name)).join();
            }"""
        )
    )


PLANTED = {
    "aria-roles": "byId('tags').role = 'nonsense'",
    "color-contrast": "byId('tags-title').style.color = '#ccc'",
    "dark color-contrast": "byId('target').style.color = '#333'",
    "target-size": "byId('open-skip').parentElement.style.gap = 0;"
    " for (const each of byId('open-skip').parentElement.children) each.style.cssText = 'padding: 0; font-size: 4px;"
    " min-height: 0; min-width: 0; width: 9px; height: 9px; overflow: hidden'",
    "at 200 % scrolls": "byId('send').style.minWidth = '700px'",
    "at 320 px scrolls": "byId('send').style.minWidth = '700px'",
    "spaced out cut off": "byId('output-help').style.cssText += 'height: 14px; overflow: hidden'",
    "at 320 px scrolls inside": "document.querySelector('.work-message').style.minWidth = '1500px'",
    "moves": "byId('saved').animate([{ opacity: 0 }, { opacity: 1 }], 60000)",
}


def test_what_is_planted_is_found(work_page: Page) -> None:
    for plant in PLANTED.values():
        work_page.evaluate(f"{{ const byId = (id) => document.getElementById(id); {plant}; }}")
    found = look(work_page)
    assert [rule for rule in PLANTED if not any(each.startswith(rule) for each in found)] == [], found
