"""The Work page in Chromium: by keyboard only, by mouse, by touch; exact offsets; nothing lost, nothing doubled."""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraint_actions
from annotate.constraints.models import Constraint
from annotate.judgments.models import Violation
from tests.annotate.queue import rows
from tests.browser.conftest import Open
from tests.browser.work import BLOOM, PHONE, drag, point_of, press, submit, walk_to

pytestmark = pytest.mark.django_db(transaction=True)

EMOJI = "A 👩‍🚀 and a 👨‍👩‍👧‍👦 flew in 1985 🚀🚀 to Mars."
DEVANAGARI = "नमस्ते दुनिया। यह क्षत्रिय 1985 में जन्मा।"
HEBREW = "שלום עולם, זה נכתב ב-1985. כן, באמת!"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe\u200b "
    + "<b hx-get='/x' hx-trigger='load'>1985</b>"
)


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def test_from_invitation_to_constraint_by_keyboard_only(open_page: Open, campaign: Campaign) -> None:
    admin = rows.person("admin", campaign=campaign, role="admin")
    rows.outputs(campaign, BLOOM, "A second output.", prompt="When does Bloom come out?")
    token = campaign_actions.invite(campaign=campaign, by=admin, name="Ada", role="annotator", now=clock.now())
    page = open_page(f"/invite/{token}/")
    page.locator("#name").focus()
    page.keyboard.type("Ada")
    press(page, "Tab")
    page.keyboard.type("ada")
    press(page, "Tab")
    page.keyboard.type("three ordinary words")
    press(page, "Enter")
    page.wait_for_url(lambda url: "/invite/" not in url)
    page.goto("/c/answers/work/")
    while page.locator("#output").inner_text() != BLOOM:  # the order is scattered
        press(page, "c")
        submit(page)
    walk_to(page, BLOOM, "third")
    press(page, "Shift+ArrowRight", "Shift+ArrowRight", "1", "M", "e")
    page.keyboard.type("It is his second.")
    press(page, "Escape", "r")
    page.keyboard.type("second album")
    expect(page.locator("#violations li")).to_have_count(1)
    submit(page)
    violation = Violation.objects.select_related("judgment__annotator").get()
    assert (violation.quote, violation.severity) == ("third album", "critical")
    assert (violation.critique, violation.correction) == ("It is his second.", "second album")
    assert violation.judgment.annotator.username == "ada"

    constraint_actions.regroup(campaign_id=campaign.pk, now=clock.now())
    constraint = Constraint.objects.get()
    listing = open_page("/c/answers/constraints/", admin)
    expect(listing.locator("main")).to_contain_text(constraint.statement)


def test_every_kind_of_violation_by_keyboard(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada)
    press(page, "2")  # nothing selected: the whole output
    press(page, "3")  # needs words: refused
    expect(page.locator("#announce")).to_contain_text("Select the wrong words first")
    press(page, "j", "j", "v", "3", "m")  # the second sentence
    walk_to(page, BLOOM, "won")
    press(page, "o", "1")
    press(page, "4")
    expect(page.locator("#violations li")).to_have_count(4)
    submit(page)
    found = [(v.tag.slug, v.scope, v.severity, v.quote) for v in Violation.objects.select_related("tag")]
    assert found == [
        ("ignores", "whole", "major", ""),
        ("needs-span", "span", "minor", "It was his third album and won the ARIA award."),
        ("invented", "omission", "major", ""),
        ("no-span", "whole", "", ""),
    ]
    omission = Violation.objects.get(scope="omission")
    assert omission.start == omission.end == BLOOM.index("won")


@pytest.mark.parametrize("text", [EMOJI, DEVANAGARI, HEBREW], ids=["emoji", "devanagari", "hebrew"])
def test_offsets_are_exact_in_every_script(open_page: Open, campaign: Campaign, ada: User, text: str) -> None:
    rows.outputs(campaign, text)
    page = open_page("/c/answers/work/", ada)
    walk_to(page, text, "1985")
    press(page, "Shift+ArrowRight", "1")
    drag(page, "1985")
    press(page, "3")
    submit(page)
    for violation in Violation.objects.all():
        assert (violation.start, violation.end) == (text.index("1985"), text.index("1985") + 4)
        assert violation.quote == "1985"
    assert Violation.objects.count() == 2
    page.locator("#undo-last").click()  # and back into the page
    expect(page.locator("#violations .violation-quote")).to_have_text(["1985", "1985"])


def test_every_word_of_a_mixed_text_round_trips(open_page: Open, campaign: Campaign, ada: User) -> None:
    text = f"{EMOJI} {DEVANAGARI} a\u0301e\u0301 𝒳𝒴 {HEBREW}"
    rows.outputs(campaign, text)
    page = open_page("/c/answers/work/", ada)
    words = page.evaluate(
        """async () => {
          const { words } = await import("/static/js/work/tokens.js");
          const { Offsets } = await import("/static/js/work/offsets.js");
          const text = document.getElementById("output").textContent;
          const offsets = new Offsets(text);
          return words(text, "").map(({ start, end }) =>
            [offsets.toPoints(start), offsets.toPoints(end), text.slice(start, end)]);
        }"""
    )
    assert len(words) > 30
    for start, end, word in words:
        assert text[start:end] == word


def test_offsets_module_agrees_with_python(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "x")
    chance = random.Random(7)
    text = "".join(chance.choice("aé\u0301क👩🚀\u200d𝒳\n ") for _ in range(400))
    page = open_page("/c/answers/work/", ada)
    points, units, inside = page.evaluate(
        """async (text) => {
          const { Offsets } = await import("/static/js/work/offsets.js");
          const offsets = new Offsets(text);
          const points = Array.from({ length: text.length + 1 }, (_, unit) => offsets.toPoints(unit));
          const units = Array.from({ length: offsets.points + 1 }, (_, point) => offsets.toUnits(point));
          return [points, units, new Offsets("a👩b").toPoints(2)];
        }""",
        text,
    )
    expected = [len(text[:point].encode("utf-16-le")) // 2 for point in range(len(text) + 1)]
    assert units == expected
    assert [points[unit] for unit in expected] == list(range(len(text) + 1))
    assert inside == 1


def test_mouse_marks_and_cycles_severity(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada)
    drag(page, "third alb")  # widened to whole words
    page.locator('[data-tag="invented"]').click()
    pressed = page.locator('#violations [aria-pressed="true"][data-severity]')
    expect(pressed).to_have_text("major")
    page.mouse.click(*point_of(page, "third"))
    expect(pressed).to_have_text("critical")
    page.mouse.click(*point_of(page, "album"))
    expect(pressed).to_have_text("minor")
    page.mouse.click(*point_of(page, "Bloom"))  # click and click
    page.wait_for_timeout(600)  # not a double click
    page.mouse.click(*point_of(page, "released"))
    page.locator('[data-tag="ignores"]').click()
    expect(page.locator("#violations .violation-quote")).to_have_text(["third album", "Bloom was released"])
    page.locator("#send").click()
    expect(page.locator("#last-says")).to_have_text("Saved: rejected, 2 violations.")
    assert [v.quote for v in Violation.objects.all()] == ["third album", "Bloom was released"]


def test_shift_marks_single_characters(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada)
    start, end = BLOOM.index("eleas"), BLOOM.index("eleas") + 5
    page.evaluate(
        """([start, end]) => {
          const node = document.getElementById("output").firstChild;
          getSelection().setBaseAndExtent(node, start, node, end);
          document.dispatchEvent(new PointerEvent("pointerup", { pointerType: "mouse", shiftKey: true }));
        }""",
        [start, end],
    )
    press(page, "1")
    expect(page.locator("#violations .violation-quote")).to_have_text("eleas")


def test_touch_marks_by_two_taps_on_a_phone(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada, **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.touchscreen.tap(*point_of(page, "was"))
    page.wait_for_timeout(500)
    page.touchscreen.tap(*point_of(page, "on 31"))
    expect(page.locator("#target")).to_contain_text("was released on")
    page.locator('[data-tag="invented"]').tap()
    expect(page.locator("#violations .violation-quote")).to_have_text("was released on")
    page.locator("#send").tap()
    expect(page.locator("#last-says")).to_have_text("Saved: rejected, 1 violation.")
    assert Violation.objects.get().quote == "was released on"


def test_keys_are_dead_while_typing_and_can_be_switched_off(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada)
    press(page, "1", "e")
    page.keyboard.type("12gcs?")
    expect(page.locator("#violations li")).to_have_count(1)
    press(page, "Escape", "?")
    expect(page.locator("#keys")).to_contain_text("invented fact")
    press(page, "2")
    page.locator("#single-keys").uncheck()
    press(page, "Escape")
    press(page, "2", "g")
    expect(page.locator("#violations li")).to_have_count(1)
    page.locator('[data-tag="ignores"]').click()
    expect(page.locator("#violations li")).to_have_count(2)


def test_hostile_output_is_text_and_runs_nothing(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, HOSTILE, prompt="<script>document.title = 'owned'</script>")
    page = open_page("/c/answers/work/", ada)
    assert page.locator("#output").evaluate("element => element.textContent") == HOSTILE
    assert page.locator("#output :is(script, img, b)").count() == 0
    assert "owned" not in page.title()
    assert [each.get_attribute("data-name") for each in page.locator("#output .hidden-character").all()] == [
        "RLO",
        "ZWSP",
    ]
    drag(page, "1985")
    press(page, "1", "e")
    page.keyboard.type("<img src=x onerror=alert(3)>")
    submit(page)
    violation = Violation.objects.get()
    assert violation.quote == "1985" == HOSTILE[violation.start : violation.end]
    page.locator("#undo-last").click()
    expect(page.locator("[data-field=critique] textarea")).to_have_value("<img src=x onerror=alert(3)>")


def test_a_browser_without_highlights_wraps_marks(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, HOSTILE)
    page = open_page("/c/answers/", ada)
    page.add_init_script("delete window.Highlight")
    page.goto("/c/answers/work/")
    drag(page, "1985")
    press(page, "1")
    expect(page.locator("#output mark.work-major")).to_have_text("1985")
    drag(page, "alert(1)")
    press(page, "1", "m")
    expect(page.locator("#output mark.work-minor")).to_have_text(["alert", "(1)"])  # the cursor is on the first
    assert page.locator("#output").evaluate("element => element.textContent") == HOSTILE
    submit(page)
    for violation in Violation.objects.all():
        assert HOSTILE[violation.start : violation.end] == violation.quote


def test_without_scripts_the_plain_form_submits(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", ada, java_script_enabled=False)
    page.get_by_label("Tag", exact=True).select_option("invented fact")
    page.get_by_label("The words, copied from the output").fill("third album")
    page.get_by_label("Severity").select_option("major")
    page.get_by_label("From character").press("Enter")  # adds; never removes or submits
    expect(page.locator("#violations li")).to_contain_text("third album")
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#after")).to_contain_text("1 violation")
    assert Violation.objects.get().quote == "third album"


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_runs_over_the_edge(open_page: Open, campaign: Campaign, ada: User, width: int) -> None:
    rows.outputs(campaign, f"{'long' * 60} {BLOOM}\n\n{BLOOM}")
    options: dict[str, Any] = {"viewport": {"width": width, "height": 800}}
    page = open_page("/c/answers/work/", ada, **options)
    press(page, "1", "2")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for target in page.locator("button:visible:not([aria-hidden])").all():
        box = target.bounding_box()
        assert box is not None and box["height"] >= 24 and box["width"] >= 24, target.inner_text()


def test_a_stranger_sees_nothing(open_page: Open, campaign: Campaign) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page("/c/answers/work/", rows.person("eve"))
    assert BLOOM not in page.content()
    page.goto(f"/c/answers/work/{uuid4()}/")
    assert BLOOM not in page.content()
