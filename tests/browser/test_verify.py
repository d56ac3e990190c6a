"""The Verify page in Chromium: by keyboard only, each answer seen before the next question; nothing lost offline."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.verification.models import Answer, Round, Turn
from tests import factories
from tests.annotate.verification import rows
from tests.browser.conftest import Open, eventually
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
CHOSEN = ".verify-answers [aria-pressed=true]"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202egnp.exe\u200b"


@pytest.fixture
def campaign() -> Campaign:
    return rows.world()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return factories.member(campaign, user=factories.user("ada"))


def output(page: Page) -> str:
    return page.locator("#output").inner_text()


def answer(page: Page, key: str) -> str:
    """Press the key and wait for the next output. Returns the one that was answered."""
    before = output(page)
    page.keyboard.press(key)
    expect(page.locator("#output")).not_to_have_text(before)
    return before


def stop_clock(page: Page) -> None:
    """Load the page with a clock of its own, which stands still until it is told to run."""
    page.clock.install(time=NOW)
    page.reload()
    page.clock.pause_at(NOW + timedelta(hours=1))


def saved(page: Page) -> None:
    expect(page.locator("#said")).to_have_text("Saved")


def current() -> dict[str, str]:
    """What is answered now, by the output's text."""
    return dict(Answer.objects.filter(is_current=True).values_list("item__output__text", "answer"))


def test_a_round_by_keyboard_only_from_the_campaign_to_the_end(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/", ada)
    page.get_by_role("link", name="Verify").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#verify.is-live #statement")).to_have_text(rows.STATEMENT)
    said = {}
    for number in range(7):
        said[answer(page, "ync"[number % 3])] = ["violated", "not_violated", "cannot_tell"][number % 3]
    said[output(page)] = "violated"
    page.keyboard.press("y")
    expect(page.get_by_role("heading", name="Nothing left to verify")).to_be_visible()
    expect(page.locator("#answered")).to_have_text("8")
    eventually(page, lambda: current() == said)
    assert not Answer.objects.exclude(seconds__gt=0, seconds__lt=60).exists()
    assert Round.objects.get().items.filter(answered_count=1).count() == 8


def test_the_choice_is_seen_for_350_ms_and_can_be_changed_meanwhile(
    open_page: Open, campaign: Campaign, ada: User
) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    stop_clock(page)
    first = output(page)
    page.keyboard.press("y")
    expect(page.locator("[value=violated]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#announce")).to_have_text("Yes, violated")
    page.clock.run_for(300)
    page.keyboard.press("n")
    page.clock.run_for(340)
    assert output(page) == first
    expect(page.locator("[value=not_violated]")).to_have_attribute("aria-pressed", "true")
    page.clock.run_for(20)
    expect(page.locator("#output")).not_to_have_text(first)
    expect(page.locator(CHOSEN)).to_have_count(0)
    saved(page)
    eventually(page, lambda: current() == {first: "not_violated"})
    assert Answer.objects.count() == 1


def test_undo_while_seen_and_after_several_answers(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    stop_clock(page)
    first = output(page)
    page.keyboard.press("y")
    page.keyboard.press("Control+z")
    page.clock.run_for(1000)
    assert output(page) == first
    expect(page.locator("#announce")).to_have_text("Not answered.")
    page.clock.resume()
    answered = [answer(page, "y"), answer(page, "y"), answer(page, "y")]
    saved(page)
    last = output(page)
    for text in reversed(answered):
        page.keyboard.press("u")
        expect(page.locator("#output")).to_have_text(text)
    again = [answer(page, key) for key in "ncn"]
    assert again == answered
    expect(page.locator("#output")).to_have_text(last)
    expect(page.locator("#answered")).to_have_text("3")
    saved(page)
    wanted = dict(zip(answered, ["not_violated", "cannot_tell", "not_violated"], strict=True))
    eventually(page, lambda: current() == wanted)
    assert Answer.objects.filter(withdrawn_at__isnull=False, answer="violated").count() == 3


def test_answers_given_offline_are_kept_and_delivered(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    page.context.set_offline(True)
    said = {answer(page, "y"): "violated", answer(page, "n"): "not_violated"}
    taken_back = answer(page, "y")
    page.keyboard.press("u")
    expect(page.locator("#output")).to_have_text(taken_back)
    expect(page.locator("#said")).to_have_text("2 kept here, offline")
    assert current() == {}
    page.context.set_offline(False)
    saved(page)
    assert current() == said
    assert Answer.objects.count() == 2


def test_leaving_keeps_the_choice_and_gives_back_what_was_fetched_ahead(
    open_page: Open, campaign: Campaign, ada: User
) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    first = output(page)
    page.keyboard.press("y")
    page.goto("/c/helpdesk/")
    eventually(page, lambda: current() == {first: "violated"} and not Turn.objects.filter(state="open").exists())


def test_another_question_waits_until_it_is_read(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign, tagged=0, random=1)
    other = rows.constraint(campaign)
    other.pk, other.statement = None, "Names an album that is not one"
    other.save()
    other.refresh_from_db()
    rows.actions.start(constraint=other, by=ada, now=NOW, tagged=0, random=1, overlap=1)
    page = open_page("/c/helpdesk/verify/", ada)
    page.keyboard.press("y")
    expect(page.locator("#statement")).to_have_text("Names an album that is not one")
    page.keyboard.press("y")
    expect(page.locator(CHOSEN)).to_have_count(0)
    expect(page.locator("#announce")).to_contain_text("Another question: Names an album")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="Nothing left to verify")).to_be_visible()
    eventually(page, lambda: sorted(current().values()) == ["not_violated", "violated"])


def test_single_keys_switched_off_leave_buttons_and_ctrl_z(open_page: Open, campaign: Campaign, ada: User) -> None:
    ada.preferences = {"single_keys": False}
    ada.save()
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    first = output(page)
    page.keyboard.press("y")
    expect(page.locator(CHOSEN)).to_have_count(0)
    page.keyboard.press("Tab")
    expect(page.locator("[value=violated]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#output")).not_to_have_text(first)
    expect(page.locator("[value=not_violated]")).to_be_focused()
    page.keyboard.press("Control+z")
    expect(page.locator("#output")).to_have_text(first)
    expect(page.locator("kbd.single >> visible=true")).to_have_count(0)


def test_sensitive_texts_are_covered_until_uncovered(open_page: Open, campaign: Campaign, ada: User) -> None:
    campaign.is_sensitive = True
    campaign.save()
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada)
    expect(page.locator("#cover")).to_be_visible()
    page.keyboard.press("y")
    expect(page.locator("#announce")).to_have_text("Uncover the text first.")
    page.keyboard.press("u")
    expect(page.locator("#cover")).to_be_hidden()
    answer(page, "y")
    expect(page.locator("#cover")).to_be_visible()


def test_hostile_texts_stay_texts(open_page: Open, ada: User) -> None:
    campaign = factories.campaign("hostile")
    factories.member(campaign, user=ada)
    for number in range(3):
        chat = factories.prompt(campaign, f"chat {number}")
        chat.messages = [
            {"role": HOSTILE, "content": HOSTILE},
            {"role": "assistant", "tool_calls": [{"function": {"name": HOSTILE, "arguments": '{"a": 1}'}}]},
        ]
        chat.save()
        marked = factories.output(campaign, f"{HOSTILE} {number}", prompt=chat)
        if not number:
            factories.judgment(marked)
    constraints.regroup(campaign_id=campaign.pk, now=NOW)
    admin = factories.admin_of(campaign)
    constraints.rename(constraint=rows.constraint(campaign), statement=HOSTILE, by=admin, now=NOW)
    rows.start(campaign, tagged=1, random=2)
    page = open_page("/c/hostile/verify/", ada)
    for _ in range(2):
        assert page.evaluate("output.textContent").startswith(HOSTILE)
        assert page.evaluate("statement.textContent") == HOSTILE
        expect(page.locator("#output img, #messages img, #statement img")).to_have_count(0)
        expect(page.locator("#output .hidden-character")).to_have_count(2)
        answer(page, "c")


def test_on_a_phone_by_touch(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada, **PHONE)
    first = output(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for button in page.locator(".verify-footer button").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44 and box["x"] + box["width"] <= 360
    page.get_by_role("button", name="No", exact=True).tap()
    expect(page.locator("#output")).not_to_have_text(first)
    page.get_by_role("button", name="Undo").tap()
    expect(page.locator("#output")).to_have_text(first)


def test_without_script_it_is_a_form(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    page = open_page("/c/helpdesk/verify/", ada, java_script_enabled=False)
    first = page.locator("#output").inner_text()
    page.get_by_role("button", name="Cannot tell").click()
    expect(page.get_by_text("Saved: cannot tell.")).to_be_visible()
    expect(page.locator("#output")).not_to_have_text(first)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#output")).to_have_text(first)
    assert current() == {}


def test_a_round_is_started_and_closed_by_keyboard(open_page: Open, campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    page = open_page(f"/c/helpdesk/constraints/{rows.constraint(campaign).pk}/", admin)
    page.get_by_role("link", name="Verify it").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Outputs with this violation").fill("2")
    page.get_by_label("Outputs at random").fill("3")
    page.get_by_label("Outputs at random").press("Enter")
    expect(page.get_by_text("0 of 10 answers")).to_be_visible()
    page.get_by_role("button", name="Close the round").press("Enter")
    expect(page.get_by_text("closed", exact=True)).to_be_visible()
