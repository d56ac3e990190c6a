"""Suggestions of checks in Chromium: looked at and taken by one key, by a tap, or left; the question with a finding."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check
from annotate.judgments.models import Judgment
from annotate.verification import actions as verification
from annotate.verification.models import Turn
from tests import factories
from tests.annotate.constraints.assistance import rows
from tests.annotate.constraints.assistance.test_assistance import drawn
from tests.browser.conftest import Open
from tests.browser.work import PHONE, items, press, submit
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)
WORK = "/c/helpdesk/work/"
ITEM = "#suggestions .suggestion"


@pytest.fixture
def campaign() -> Campaign:
    return rows.world(outputs=1)


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return drawn(campaign)


def test_a_key_shows_the_suggestion_and_again_takes_it(open_page: Open, ada: User) -> None:
    page = open_page(WORK, ada)
    expect(page.locator(ITEM)).to_have_count(1)
    expect(items(page)).to_have_count(0)
    press(page, "y")
    expect(page.locator("#target q")).to_have_text("1984")
    expect(items(page)).to_have_count(0)
    press(page, "y")
    expect(items(page)).to_have_count(1)
    expect(page.locator(f"{ITEM} button")).to_be_disabled()
    press(page, "y")
    expect(page.locator("#announce")).to_contain_text("no suggestion left")
    press(page, "Control+z")
    expect(page.locator(f"{ITEM} button")).to_be_enabled()
    press(page, "y", "y", "m")
    submit(page)
    judgment = Judgment.objects.get(annotator=ada)
    violation = judgment.violations.get()
    assert (judgment.is_assisted, violation.quote, violation.severity) == (True, "1984", "minor")


def test_left_alone_it_is_no_violation(open_page: Open, ada: User) -> None:
    page = open_page(WORK, ada)
    expect(page.locator(ITEM)).to_have_count(1)
    press(page, "g")
    submit(page)
    judgment = Judgment.objects.get(annotator=ada)
    assert (judgment.is_assisted, judgment.verdict) == (True, "nothing_wrong")


def test_on_a_phone_by_a_tap(open_page: Open, ada: User) -> None:
    page = open_page(WORK, ada, **PHONE)
    page.locator(f"{ITEM} button").tap()
    expect(items(page)).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_blind_there_is_nothing_to_see_or_to_press(open_page: Open, campaign: Campaign) -> None:
    Campaign.objects.update(assisted_share=0)
    page = open_page(WORK, factories.member(campaign))
    expect(page.locator("#send")).to_be_enabled()
    expect(page.locator("#suggested")).to_be_hidden()
    press(page, "y")
    expect(items(page)).to_have_count(0)


def test_a_question_stands_with_what_the_check_found(open_page: Open, campaign: Campaign, ada: User) -> None:
    verification.start(
        constraint=Check.objects.get().constraint,
        by=factories.admin_of(campaign),
        now=NOW,
        tagged=0,
        random=9,
        overlap=1,
    )
    page = open_page("/c/helpdesk/verify/", ada)
    seen = set()
    for number in range(2):
        expect(page.locator("#answered")).to_have_text(str(number))
        text = page.locator("#output").inner_text()
        turn = Turn.objects.get(annotator=ada, item__output__text=text)
        expect(page.locator("#found")).to_be_visible(visible=turn.suggestions is not None)
        expect(page.locator("#findings li")).to_have_count(len(turn.suggestions or []))
        seen.add(turn.suggestions is not None)
        page.keyboard.press("n")
        expect(page.locator("#output")).not_to_have_text(text)
    assert True in seen
