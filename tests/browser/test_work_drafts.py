"""What is marked on the Work page is never lost: drafts, a server out of reach, two tabs, signing out, refusals."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Judgment, Violation
from annotate.queue.models import Lease
from tests.annotate.queue import rows
from tests.browser.conftest import Gate, Open
from tests.browser.work import BLOOM, WORK, items, prefetched, press, said, saved, submit, text_of, walk_to

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def draft() -> list[str]:
    (violations,) = Lease.objects.exclude(draft=None).values_list("draft__violations", flat=True)
    return [each["tag"] for each in violations]


def second_tab(page: Page) -> Page:
    context: BrowserContext = page.context
    tab = context.new_page()
    tab.goto(WORK)
    return tab


def test_draft_survives_a_reload(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page(WORK, ada)
    walk_to(page, BLOOM, "third")
    press(page, "Shift+ArrowRight", "1", "e")
    page.keyboard.type("his second")
    saved(page)
    page.reload()
    expect(page.locator("#violations .violation-quote")).to_have_text("third")
    expect(page.locator("[data-field=critique] textarea")).to_have_value("his second")
    submit(page)
    assert not Lease.objects.exclude(draft=None).exists()
    assert Violation.objects.get().critique == "his second"


def test_a_draft_is_kept_here_while_the_server_is_away(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    page = open_page(WORK, ada)
    page.route("**/draft/", lambda route: route.abort())
    press(page, "1")
    expect(page.locator("#saved")).to_have_text("Offline, kept here")
    assert not Lease.objects.exclude(draft=None).exists()
    page.unroute("**/draft/")
    page.reload()
    expect(items(page)).to_have_count(1)
    saved(page)
    assert draft() == ["invented"]


def test_judgments_wait_here_offline_and_go_out_when_back(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    page.context.set_offline(True)
    press(page, "1", "Control+Enter")
    expect(page.locator("#waiting")).to_contain_text("1 judgment waits here, offline")
    press(page, "g", "Control+Enter")
    expect(page.locator("#waiting")).to_contain_text("2 judgments wait here, offline")
    expect(page.get_by_role("heading", name="The next output comes")).to_be_visible()
    assert not Judgment.objects.exists()
    page.context.set_offline(False)
    expect(page.locator("#waiting")).to_be_hidden()
    expect(page.locator("#output")).to_be_visible()
    assert list(Judgment.objects.order_by("id").values_list("verdict", flat=True)) == ["rejected", "nothing_wrong"]


def test_what_waits_is_delivered_by_the_next_page_load(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    page.route("**/judgment/", lambda route: route.abort())
    press(page, "1", "Control+Enter")
    expect(page.locator("#waiting")).to_be_visible()
    page.unroute("**/judgment/")
    with page.expect_response("**/judgment/"):
        page.goto(WORK)
    expect(page.locator("#output")).not_to_have_text(first)
    assert Judgment.objects.get().output.text == first
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.includes('outbox'))") == []


def test_an_answer_that_is_lost_makes_no_second_judgment(
    open_page: Open, gate: Gate, campaign: Campaign, ada: User
) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    answers: list[int] = []
    page.on("response", lambda answer: answers.append(answer.status) if answer.url.endswith("/judgment/") else None)
    gate.lose_next("/judgment/")
    press(page, "1", "Control+Enter")
    said(page, "Saved: rejected, 1 violation.")
    assert answers == [429, 200]
    assert Judgment.objects.count() == 1


def test_an_undelivered_submit_is_taken_back_without_the_server(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    page.context.set_offline(True)
    press(page, "1", "Control+Enter")
    expect(page.locator("#waiting")).to_be_visible()
    press(page, "Control+z")
    expect(page.locator("#output")).to_have_text(first)
    expect(page.locator("#waiting")).to_be_hidden()
    press(page, "2")
    page.context.set_offline(False)
    saved(page)
    assert not Judgment.objects.exists()
    assert draft() == ["invented", "ignores"]


def test_signed_out_keeps_everything(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    press(page, "1", "Control+Enter")
    expect(page.locator("#waiting")).to_contain_text("1 judgment waits here, signed out")
    expect(page.locator("#waiting").get_by_role("link", name="Sign in")).to_be_visible()
    page.context.add_cookies(cookies)  # type: ignore[arg-type]
    page.evaluate("dispatchEvent(new Event('focus'))")
    said(page, "Saved: rejected, 1 violation.")
    assert Judgment.objects.count() == 1


def test_two_tabs_get_a_choice_for_drafts(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, BLOOM)
    first = open_page(WORK, ada)
    second = second_tab(first)
    press(first, "1")
    saved(first)
    press(second, "2", "4")
    dialog = second.locator("#choice")
    expect(dialog).to_be_visible()
    expect(dialog.locator("#choice-theirs")).to_contain_text("rejected, 1 violation")
    expect(dialog.locator("#choice-theirs")).to_contain_text("invented fact, major")
    expect(dialog.locator("#choice-mine")).to_contain_text("rejected, 2 violations")
    press(second, "Escape")  # no way round the choice
    expect(dialog).to_be_visible()
    assert draft() == ["invented"]
    dialog.get_by_role("button", name="Keep yours").click()
    saved(second)
    assert draft() == ["ignores", "no-span"]
    press(first, "3", "1")
    first.get_by_role("button", name="Keep the other one").click()
    expect(first.locator("#violations .violation-tag")).to_have_text(["ignores instruction", "rude tone"])


@pytest.mark.parametrize(("keep", "count"), [("Keep the other one", 1), ("Keep yours", 2)])
def test_two_tabs_get_a_choice_for_judgments(
    open_page: Open, campaign: Campaign, ada: User, keep: str, count: int
) -> None:
    rows.outputs(campaign, BLOOM, "A second output.", "A third.")
    first = open_page(WORK, ada)
    prefetched(first)
    second = second_tab(first)
    prefetched(second)
    assert text_of(first) == text_of(second)
    press(first, "g")
    submit(first)
    second.route("**/draft/", lambda route: route.abort())
    press(second, "1", "2", "Control+Enter")
    dialog = second.locator("#choice")
    expect(dialog.locator("#choice-theirs")).to_contain_text("nothing wrong")
    expect(dialog.locator("#choice-mine")).to_contain_text("rejected, 2 violations")
    assert Judgment.objects.count() == 1
    dialog.get_by_role("button", name=keep).click()
    expect(dialog).to_be_hidden()
    expect(second.locator("#output")).to_be_visible()
    if count == 2:
        said(second, "Saved: rejected, 2 violations.")
    assert Judgment.objects.count() == count


def test_a_refused_judgment_comes_back_with_its_marks(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    refusal = {"message": "No.", "problems": [{"index": 0, "field": "critique", "message": "Say why it is invented."}]}
    page.route("**/judgment/", lambda route: route.fulfill(status=422, json=refusal))
    press(page, "1", "Control+Enter")
    expect(page.locator("#refusal")).to_have_text("Say why it is invented.")
    expect(page.locator("#output")).to_have_text(first)
    expect(page.locator("#violations .is-wrong")).to_have_count(1)
    page.unroute("**/judgment/")
    submit(page)
    expect(page.locator("#refusal")).to_be_hidden()
    assert Judgment.objects.get().output.text == first


def test_a_refusal_does_not_interrupt_marking(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page(WORK, ada)
    prefetched(page)
    first = text_of(page)
    held: list[Route] = []
    page.route("**/judgment/", lambda route: held.append(route))
    with page.expect_request("**/judgment/"):
        press(page, "1", "Control+Enter")
    press(page, "2", "e")
    page.keyboard.type("half a sen")
    held[0].fulfill(status=422, body=json.dumps({"message": "Say why."}), content_type="application/json")
    page.get_by_role("button", name="Go back to it").click()
    expect(page.locator("#output")).to_have_text(first)
    page.unroute("**/judgment/")
    submit(page)
    expect(page.locator("[data-field=critique] textarea")).to_have_value("half a sen")


def test_held_leases_are_renewed(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, "one", "two", "three")
    page = open_page("/", ada)
    page.clock.install()
    page.goto(WORK)
    prefetched(page)
    before = dict(Lease.objects.values_list("token", "expires_at"))
    with page.expect_response("**/held/"):
        page.clock.fast_forward(5 * 60_000)
    after = dict(Lease.objects.filter(state="open").values_list("token", "expires_at"))
    assert len(after) == 2
    assert all(after[token] > before[token] for token in after)
