"""Undo and redo on the Work page, of marking and of the last submit."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Judgment
from annotate.queue.models import Lease
from tests.annotate.queue import rows
from tests.browser.conftest import Open
from tests.browser.work import BLOOM, WORK, items, prefetched, press, saved, submit, text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def test_undo_and_redo_of_marking(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page(WORK, ada)
    press(page, "1", "2", "Delete")
    expect(items(page)).to_have_count(1)
    press(page, "Control+z")
    expect(items(page)).to_have_count(2)
    press(page, "Control+z", "Control+z")
    expect(items(page)).to_have_count(0)
    press(page, "Control+y")
    expect(items(page)).to_have_count(1)
    press(page, "e")
    page.keyboard.type("gone in one step")
    press(page, "Escape", "Control+z")
    expect(items(page).locator("[data-field=critique] textarea")).to_have_value("")
    expect(items(page)).to_have_count(1)


def test_undo_takes_back_the_last_submit_with_its_steps(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM, "A second output.", "A third output.")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    press(page, "1", "2")
    submit(page, says="Saved: rejected, 2 violations.")
    second = text_of(page)
    with page.expect_response("**/undo/"):
        press(page, "Control+z")
    expect(items(page)).to_have_count(2)
    assert text_of(page) == first
    expect(page.locator("#today")).to_have_text("0 today")
    assert Judgment.objects.get().withdrawn_at is not None
    press(page, "Control+z")  # and on with the steps before it
    expect(items(page)).to_have_count(1)
    submit(page, says="Saved: rejected, 1 violation.")
    assert text_of(page) == second  # it was held meanwhile
    current = Judgment.objects.get(is_current=True)
    assert (current.output.text, current.violations.count()) == (first, 1)
    assert Lease.objects.filter(state="open").count() <= 2


def test_undo_on_something_marked_takes_that_back_first(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    press(page, "g")
    submit(page)
    press(page, "1")
    expect(items(page)).to_have_count(1)
    press(page, "Control+z")
    expect(items(page)).to_have_count(0)
    assert Judgment.objects.get().is_current


def test_the_button_takes_back_and_keeps_what_is_marked_on_the_next(
    open_page: Open, campaign: Campaign, ada: User
) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    press(page, "g")
    submit(page)
    press(page, "1", "e")
    page.keyboard.type("so wrong")
    saved(page)
    page.locator("#undo-last").click()
    expect(page.locator("#output")).to_have_text(first)
    expect(page.locator(".work-verdicts [value=nothing_wrong]")).to_have_attribute("aria-pressed", "true")
    submit(page)
    expect(page.locator("[data-field=critique] textarea")).to_have_value("so wrong")
    press(page, "Control+z")
    expect(page.locator("[data-field=critique] textarea")).to_have_value("")


def test_the_last_submit_can_be_taken_back_after_a_reload(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    first = text_of(page)
    press(page, "1")
    submit(page)
    page.reload()
    expect(page.locator("#last-says")).to_have_text("Saved: rejected.")
    with page.expect_response("**/undo/"):
        press(page, "Control+z")
    expect(page.locator("#output")).to_have_text(first)
    expect(items(page)).to_have_count(1)


def test_undo_on_the_empty_page(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one")
    page = open_page(WORK, ada)
    press(page, "g")
    submit(page)
    expect(page.get_by_role("heading", name="Nothing left to judge")).to_be_visible()
    press(page, "Control+z")
    expect(page.locator("#output")).to_be_visible()
    expect(page.locator(".work-verdicts [value=nothing_wrong]")).to_have_attribute("aria-pressed", "true")


def test_the_offer_ends_after_ten_seconds(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page("/", ada)
    page.clock.install()
    page.goto(WORK)
    press(page, "g")
    submit(page)
    expect(page.locator("#undo-left")).to_contain_text(" s)")
    page.clock.fast_forward(10_500)
    expect(page.locator("#last")).to_be_hidden()
    press(page, "Control+z")
    expect(page.locator("#announce")).to_have_text("Nothing to undo.")
