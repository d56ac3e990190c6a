"""The Convergence page in Chromium: the curve is there in both themes and on a phone, a rule is set by keyboard."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import Page, expect

from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.models import Constraint, Member
from tests import factories
from tests.browser.conftest import Open
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/c/helpdesk/constraints/convergence/"


@pytest.fixture
def campaign() -> Campaign:
    """120 reviewed outputs of two models, 30 constraints of unlike rates, two sets, one merge."""
    made, chance, person = factories.campaign("helpdesk"), random.Random(4), factories.user("ada")
    found = [_constraint(made, number) for number in range(30)]
    for number in range(120):
        output = factories.output(made, model=f"round-{1 + number // 60}")
        kept = [each for place, each in enumerate(found, start=1) if chance.random() < 0.6 / place]
        judgment = factories.judgment(
            output, "rejected" if kept else "nothing_wrong", annotator=person, violations=[{}] * len(kept)
        )
        violations = judgment.violations.order_by("id")
        Member.objects.bulk_create(
            Member(constraint=each, violation=violation) for each, violation in zip(kept, violations, strict=True)
        )
    admin = factories.admin_of(made)
    for count in (3, 30):
        Constraint.objects.filter(pk__in=[each.pk for each in found[:count]]).update(state="accepted")
        constraints.approve(campaign=made, by=admin, now=NOW)
    constraints.merge(into=found[0], others=[found[1]], by=admin, now=NOW)
    convergence.compute(campaign_id=made.pk, clock=lambda: NOW)
    return made


def _constraint(campaign: Campaign, number: int) -> Constraint:
    made: Constraint = Constraint.objects.create(
        campaign=campaign,
        statement=f"No {number}.",
        tag_slug="invented-fact",
        kind="factual",
        created_at=NOW,
        updated_at=NOW,
    )
    return made


def is_wider_than_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 1280)])
def test_curve_is_drawn_with_its_band(open_page: Open, campaign: Campaign, scheme: str, width: int) -> None:
    page = open_page(PAGE, factories.admin_of(campaign), viewport={"width": width, "height": 900}, color_scheme=scheme)
    for part in (".curve-band", ".curve-mean", ".curve-ahead", ".curve-seen"):
        box = page.locator(part).bounding_box()
        assert box is not None and box["width"] > 40 and box["height"] > 10
    drawn, ground = (
        page.locator(name).evaluate(f"each => getComputedStyle(each).{style}")
        for name, style in ((".curve-mean", "stroke"), ("html", "backgroundColor"))
    )
    assert drawn != ground
    assert not is_wider_than_the_window(page)
    page.get_by_text("The same numbers as a table").click()
    expect(page.locator("#points tbody tr").first).to_be_visible()


def test_what_the_sets_allow_is_drawn_by_people_and_by_checks(open_page: Open, campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    first = Constraint.objects.filter(campaign=campaign, state="accepted").order_by("id")[0]
    check_actions.save(constraint=first, text="check: length\nmost: 0\n", by=admin, now=NOW)
    constraints.approve(campaign=campaign, by=admin, now=NOW)
    convergence.look(campaign_id=campaign.pk, clock=lambda: NOW)
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)
    page = open_page(PAGE, admin, viewport={"width": 360, "height": 900})
    box = page.locator(".people-line").bounding_box()
    assert box is not None and box["width"] > 100
    survivors = page.get_by_role("region", name="Of the probe set, what survives each set")
    expect(survivors.get_by_role("row").last).to_contain_text("0 %")
    expect(page.get_by_text("Constraints without a check")).to_be_visible()
    page.get_by_text("Constraints without a check").click()
    expect(page.locator(".uncovered li").first).to_be_visible()
    assert not is_wider_than_the_window(page)


def test_rule_is_set_by_keyboard_and_told(open_page: Open, campaign: Campaign) -> None:
    page = open_page(PAGE, factories.admin_of(campaign))
    page.get_by_label("Sample coverage at least").focus()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("0.5")
    page.keyboard.press("Tab")
    page.keyboard.type("90")
    page.keyboard.press("Enter")
    expect(page.locator("#stop")).to_contain_text("The stop rule is met.")
    page.get_by_role("link", name="round-2").click()
    expect(page.locator("#seen")).to_contain_text("round-2")
    expect(page.locator("#stop")).to_contain_text("The stop rule is met.")
