"""What is read on the Work page: prompts of every kind, searching them, guidelines, covered texts, the two views."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import Prompt
from annotate.judgments.models import Violation
from tests.annotate.queue import rows
from tests.browser.conftest import Open
from tests.browser.work import BLOOM, WORK, drag, items, prefetched, press, submit

pytestmark = pytest.mark.django_db(transaction=True)

TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "You are terse.\u202e"},
    *({"role": role, "content": f"Turn {n} by the {role}. " * 5} for n in range(9) for role in ("user", "assistant")),
    {"role": "assistant", "tool_calls": [{"function": {"name": "find_album", "arguments": '{"title": "Bloom"}'}}]},
    {"role": "tool", "name": "find_album", "content": '<b>{"year": 2018}</b>'},
    {"role": "user", "content": "And when does Bloom come out?"},
]


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def conversation(campaign: Campaign) -> None:
    rows.outputs(campaign, BLOOM, "A second output.")
    Prompt.objects.update(messages=TURNS)


def messages(page: Page) -> Any:
    return page.locator("#messages .work-message")


def test_a_conversation_is_shown_in_readable_blocks(open_page: Open, campaign: Campaign, ada: User) -> None:
    conversation(campaign)
    page = open_page(WORK, ada)
    expect(messages(page)).to_have_count(len(TURNS))
    expect(messages(page).nth(0).locator(".hidden-character")).to_have_attribute("data-name", "RLO")
    call, result = messages(page).nth(len(TURNS) - 3), messages(page).nth(len(TURNS) - 2)
    expect(call.locator(".work-role")).to_have_text("tool call · find_album")
    expect(call.locator(".hostile")).to_have_text('{\n  "title": "Bloom"\n}')
    expect(result.locator(".work-role")).to_have_text("tool result · find_album")
    expect(result.locator(".hostile")).to_have_text('<b>{"year": 2018}</b>')


def test_the_server_and_the_script_show_the_same(open_page: Open, campaign: Campaign, ada: User) -> None:
    conversation(campaign)
    page = open_page(WORK, ada)
    plain = open_page(WORK, ada, java_script_enabled=False)
    for part in ("#messages .work-role", "#messages .hostile", "#output"):
        assert page.locator(part).all_text_contents() == plain.locator(part).all_text_contents()


def test_a_long_prompt_begins_short(open_page: Open, campaign: Campaign, ada: User) -> None:
    conversation(campaign)
    page = open_page(WORK, ada)
    expect(messages(page).last).to_be_visible()
    expect(messages(page).first).to_be_hidden()
    show = page.locator("#prompt-all")
    expect(show).to_contain_text(f"Show all {len(TURNS)} turns")
    show.press("Enter")
    expect(messages(page).first).to_be_visible()
    expect(show).to_have_attribute("aria-expanded", "true")


def test_the_prompt_stays_closed_for_who_closed_it(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two")
    page = open_page(WORK, ada)
    page.locator("#prompt summary").click()
    expect(page.locator("#messages")).to_be_hidden()
    page.reload()
    expect(page.locator("#messages")).to_be_hidden()


def test_searching_the_prompt_by_keys(open_page: Open, campaign: Campaign, ada: User) -> None:
    conversation(campaign)
    page = open_page(WORK, ada)
    press(page, "/")
    page.keyboard.type("by the USER")
    count = page.locator("#prompt-count")
    expect(count).to_have_text("1 of 45")
    press(page, "Enter")
    expect(count).to_have_text("2 of 45")
    press(page, "Shift+Enter", "Shift+Enter")
    expect(count).to_have_text("45 of 45")
    assert page.evaluate("[...CSS.highlights.get('work-found-now')].map(String)") == ["by the user"]
    page.keyboard.type("?(")
    expect(count).to_have_text("not found")
    press(page, "Escape")
    expect(page.locator("#output")).to_be_focused()
    expect(items(page)).to_have_count(0)
    assert page.evaluate("CSS.highlights.get('work-found').size") == 0


def test_guidelines_and_examples_are_one_key_away(open_page: Open, campaign: Campaign, ada: User) -> None:
    Campaign.objects.update(guidelines="# Be **strict**\n\n- about numbers")
    rows.outputs(campaign, BLOOM)
    page = open_page(WORK, ada)
    press(page, "i")
    expect(page.locator("#guidelines h3")).to_have_text("Be strict")
    expect(page.locator("#guidelines")).to_contain_text("invented fact")
    press(page, "Escape")
    expect(page.locator("#guidelines")).to_be_hidden()


def test_sensitive_texts_are_covered_sheet_by_sheet(open_page: Open, campaign: Campaign, ada: User) -> None:
    Campaign.objects.update(is_sensitive=True)
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    expect(page.locator("#uncover")).to_be_focused()
    assert "blur" in str(page.locator("#output").evaluate("element => getComputedStyle(element).filter"))
    press(page, "1")
    expect(page.locator("#announce")).to_contain_text("covered")
    expect(items(page)).to_have_count(0)
    press(page, "u")
    expect(page.locator("#output")).to_be_focused()
    assert page.locator("#output").evaluate("element => getComputedStyle(element).filter") == "none"
    press(page, "1")
    submit(page)
    expect(page.locator("#cover")).to_be_visible()


def test_the_rendered_view_marks_the_stored_text(open_page: Open, campaign: Campaign, ada: User) -> None:
    text = "# Bloom\n\nIt was his **third album**, or so."
    rows.outputs(campaign, text, text)
    page = open_page(WORK, ada)
    prefetched(page)
    with page.expect_response("**/preferences/"):
        press(page, "t")
    expect(page.locator("#output strong")).to_have_text("third album")
    expect(page.locator("#view [data-view=rendered]")).to_have_attribute("aria-pressed", "true")
    drag(page, "third")
    press(page, "1")
    expect(page.locator("#violations .violation-quote")).to_have_text("third")
    submit(page)
    violation = Violation.objects.get()
    assert text[violation.start : violation.end] == "third"
    expect(page.locator("#output strong")).to_have_text("third album")  # the next one too
    page.reload()
    expect(page.locator("#output strong")).to_have_text("third album")
    press(page, "t")
    expect(page.locator("#output strong")).to_have_count(0)
