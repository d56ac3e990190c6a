"""One output after the other on the Work page: submitted, prefetched, skipped; one request each, nothing doubled."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Judgment, Violation
from annotate.queue.models import Lease
from tests.annotate.queue import rows
from tests.browser.conftest import Open, eventually
from tests.browser.work import BLOOM, WORK, Requests, items, prefetched, press, said, saved, submit, text_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def verdicts() -> list[str]:
    return list(Judgment.objects.order_by("id").values_list("verdict", flat=True))


def test_submit_shows_the_next_before_the_server_answers(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    held: list[Route] = []
    page.route("**/judgment/", lambda route: held.append(route))
    press(page, "g")
    saved(page)
    with page.expect_request("**/judgment/"):
        press(page, "Control+Enter")
    expect(page.locator("#output")).not_to_have_text(first)
    assert not Judgment.objects.exists()
    assert page.evaluate("document.activeElement.id") == "output"
    held[0].continue_()
    said(page, "Saved: nothing wrong.")
    assert verdicts() == ["nothing_wrong"]
    assert page.url.endswith(WORK)


def test_one_request_per_submit_and_next(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, *(f"output {number}" for number in range(6)))
    page = open_page(WORK, ada)
    prefetched(page)
    requests = Requests(page)
    for _ in range(4):
        press(page, "g")
        submit(page)
    assert [each for each in requests.made if each != "draft"] == ["judgment"] * 4
    assert len(verdicts()) == 4
    assert Lease.objects.filter(state="open").count() == 2  # the one shown and the one fetched ahead


def test_submits_faster_than_the_server_go_out_in_order(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three", "four")
    page = open_page(WORK, ada)
    prefetched(page)
    held: list[Route] = []
    page.route("**/judgment/", lambda route: route.continue_() if held else held.append(route))
    press(page, "g")
    saved(page)
    with page.expect_request("**/judgment/"):
        press(page, "Control+Enter")
    press(page, "c", "Control+Enter")
    expect(page.locator("#work")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    said(page, "Saved: cannot tell.")
    expect(page.locator("#work")).not_to_have_attribute("aria-busy", "true")
    assert verdicts() == ["nothing_wrong", "cannot_tell"]


def test_two_quick_clicks_are_one_judgment(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM, "A second output.")
    page = open_page(WORK, ada)
    prefetched(page)
    press(page, "g")
    page.locator("#send").dblclick()
    said(page, "Saved: nothing wrong.")
    assert verdicts() == ["nothing_wrong"]


def test_verdicts_and_skip_by_key(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    press(page, "Control+Enter")
    expect(page.locator("#saved")).to_contain_text("Mark what is wrong")
    press(page, "g")
    submit(page)
    press(page, "c")
    submit(page)
    press(page, "s")
    expect(page.locator("#skip")).to_be_visible()
    press(page, "g", "1")  # dead in a dialog
    page.get_by_role("button", name="Too long").press("Enter")
    expect(page.get_by_role("heading", name="Nothing left to judge")).to_be_focused()
    assert verdicts() == ["nothing_wrong", "cannot_tell"]
    assert Lease.objects.get(state="skipped").skip_reason == "Too long"


def test_skipping_shows_the_next_one(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    press(page, "s")
    with page.expect_response("**/skip/"):
        page.get_by_role("button", name="Not readable").press("Enter")
    expect(page.locator("#output")).not_to_have_text(first)
    assert Lease.objects.get(state="skipped").output.text == first


def test_a_skip_that_fails_brings_the_output_back(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    press(page, "1")
    saved(page)
    page.route("**/skip/", lambda route: route.abort())
    press(page, "s")
    page.get_by_role("button", name="Not readable").press("Enter")
    expect(page.locator("#saved")).to_contain_text("Not skipped")
    assert text_of(page) == first
    expect(items(page)).to_have_count(1)


def test_the_last_output_leads_to_an_empty_page_that_looks_again(
    open_page: Open, campaign: Campaign, ada: User
) -> None:
    rows.outputs(campaign, "one")
    page = open_page(WORK, ada)
    press(page, "g")
    submit(page)
    expect(page.get_by_role("heading", name="Nothing left to judge")).to_be_visible()
    expect(page.locator("#today")).to_have_text("1 today")
    expect(page.get_by_text("You judged 1 today.")).to_be_visible()
    rows.outputs(campaign, "two", prompt="Another?")
    page.get_by_role("link", name="Look again").click()
    expect(page.locator("#output")).to_have_text("two")
    press(page, "g")
    submit(page)
    assert len(verdicts()) == 2


def test_pausing_the_campaign_is_said_and_keeps_the_judgment(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two")
    page = open_page(WORK, ada)
    prefetched(page)
    Campaign.objects.update(state="paused")
    for _ in range(2):
        press(page, "g")
        submit(page)
    expect(page.get_by_role("heading", name="This campaign is paused")).to_be_visible()
    assert len(verdicts()) == 2


def test_progress_counts_at_once(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    expect(page.locator(".work-progress")).to_contain_text("0 today")
    expect(page.locator("#left")).to_have_text("3 left")
    press(page, "g")
    submit(page)
    expect(page.locator("#today")).to_have_text("1 today")
    expect(page.locator("#left")).to_have_text("2 left")


def test_leaving_gives_back_what_is_not_marked(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    press(page, "1")
    saved(page)
    page.goto("/")
    marked = Lease.objects.exclude(draft=None).get()
    eventually(page, lambda: list(Lease.objects.filter(state="open")) == [marked])


def test_leaving_an_untouched_page_gives_back_both(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    page.goto("/")
    eventually(page, lambda: not Lease.objects.filter(state="open").exists())


def test_coming_back_by_history_shows_a_sheet_that_is_held(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    press(page, "g")
    submit(page)
    judged = Judgment.objects.get().output.text
    page.goto("/")
    page.go_back()
    expect(page.locator("#output")).not_to_have_text(judged)
    press(page, "g")
    submit(page)
    assert len(verdicts()) == 2


def test_two_words_a_tag_and_a_severity_in_eight_keys(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM, BLOOM)
    page = open_page(WORK, ada)
    keys = ["j", "Shift+ArrowRight", "Shift+ArrowRight", "3", "M", "Control+Enter"]
    assert len(keys) <= 8
    with page.expect_response("**/judgment/"):
        press(page, *keys)
    violation = Violation.objects.get()
    assert (violation.quote, violation.severity, violation.scope) == ("Bloom was", "major", "span")
