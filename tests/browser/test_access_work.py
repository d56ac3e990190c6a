"""The Work page for everybody: its dialogs, the focus, themes, forced colours; and that what is planted is found."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.annotate.queue import rows
from tests.browser import access_world, looking
from tests.browser.conftest import Open

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

SYSTEMS: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def work_page(open_page: Open) -> Page:
    """The Work page with a violation and its script running."""
    campaign = rows.campaign()
    campaign.guidelines = access_world.GUIDELINES
    campaign.save()
    rows.outputs(campaign, access_world.MARKDOWN, prompt=f"What is {access_world.LONG_WORD}?")
    page = looking.opened(open_page, rows.person("ada", campaign=campaign))
    page.goto("/c/answers/work/")
    expect(page.locator("#output")).to_be_focused()
    page.keyboard.press("1")
    page.locator("#violations li").wait_for()
    return page


DIALOGS = {"skip": "#open-skip", "guidelines": "#open-guidelines", "keys": "#open-keys"}


def test_the_work_page_and_its_dialogs_are_for_everybody(work_page: Page) -> None:
    found = {"marked": looking.look(work_page)}
    for name, opener in DIALOGS.items():
        work_page.locator(opener).click()
        work_page.locator(f"#{name}").wait_for()
        found[name] = looking.look(work_page)
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
        assert work_page.evaluate(looking.MOVING) == []


def test_forced_colours_keep_what_colours_say(work_page: Page) -> None:
    """High contrast takes backgrounds away: what is pressed, how far something is, and the focus must still be seen."""
    work_page.emulate_media(forced_colors="active")
    assert look_of(work_page, "#violations [aria-pressed=true][data-severity]") != look_of(
        work_page, "#violations [aria-pressed=false][data-severity]"
    )
    work_page.locator("#output").focus()
    assert work_page.evaluate(FOCUS_SEEN)["isSeen"]
    assert work_page.evaluate("getComputedStyle(document.querySelector('progress')).appearance") != "none"
    assert looking.axe(work_page) == []


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
    found = looking.look(work_page)
    assert [rule for rule in PLANTED if not any(each.startswith(rule) for each in found)] == [], found
