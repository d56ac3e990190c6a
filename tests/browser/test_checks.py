"""Checks in Chromium: a check is written, looked at, stored and run; a reviewer rules where people disagree with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotate.constraints.checks.models import Check, CheckVersion, Ruling
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.browser.conftest import Open, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "color_scheme": "dark"}
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def shot(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png", full_page=True)


def test_a_check_from_its_first_word_to_the_shadow(open_page: Open, tmp_path: Path) -> None:
    campaign = checks.world(hits=3, alarms=1, misses=1)
    admin = factories.admin_of(campaign)
    page = open_page(f"/c/helpdesk/constraints/{checks.constraint(campaign).pk}/", admin)
    page.get_by_role("link", name="Check it").click()
    page.get_by_label("In YAML").fill("check: number_in_source\nletters: 3")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("letters")
    expect(page.get_by_label("In YAML")).to_have_value("check: number_in_source\nletters: 3")
    page.get_by_label("In YAML").fill("check: number_in_source")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".check-rows mark").first).to_have_text("1903")
    assert not CheckVersion.objects.exists()
    expect(page.locator(".cells td.number")).to_have_text(["3", "1", "1", "2"])
    expect(page.locator(".cells td.number").first).to_be_in_viewport()
    shot(page, tmp_path, "preview")
    page.get_by_role("button", name="Save this version").click()
    page.get_by_role("button", name="Run it silently").click()
    expect(page.locator(".badge.is-shadow")).to_be_visible()
    checks.run(Check.objects.get())
    page.reload()
    expect(page.get_by_text("Not to be trusted yet")).to_be_visible()
    shot(page, tmp_path, "shadow")


def test_a_reviewer_rules_on_a_phone_in_the_dark(open_page: Open, tmp_path: Path) -> None:
    campaign = checks.world(hits=3, alarms=1, misses=1)
    checks.shadow(campaign)
    reviewer = factories.member(campaign, "reviewer")
    page = open_page("/c/helpdesk/checks/", reviewer, **PHONE)
    assert page.evaluate(FITS)
    shot(page, tmp_path, "table")
    page.get_by_role("link", name="Where people and a check disagree").click()
    assert page.evaluate(FITS)
    shot(page, tmp_path, "queue")
    page.locator(".check-rows > li").filter(has_text="The check says").get_by_role(
        "button", name="The check is"
    ).click()
    expect(page.locator(".check-rows > li")).to_have_count(1)
    page.get_by_role("button", name="People are right").click()
    expect(page.get_by_role("heading", name="Nothing to decide")).to_be_visible()
    eventually(page, lambda: sorted(Ruling.objects.values_list("side", flat=True)) == ["check", "people"])
