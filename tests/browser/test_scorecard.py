"""The scorecard in Chromium: from the constraints to one constraint's figures, on a phone and at a desk."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotate.campaigns.models import Campaign
from tests import factories
from tests.annotate.constraints.scorecard import test_scoring as world
from tests.browser.conftest import Open
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
STATEMENTS = (
    "States a year that the source does not give",
    "States a number that the source does not give, in words or in figures, anywhere in the answer",
    "Contradicts what it said two sentences before",
    "Answers in another language than the question",
    "Leaves out the unit of a quantity",
)


def measured() -> Campaign:
    """The first always comes with the second; the third splits people; the fourth is one model's; the fifth is rare."""
    campaign = factories.campaign("helpdesk", by=factories.user("ada"))
    people = [factories.user(name) for name in ("ben", "cy", "dee")]
    year, number, contradiction, language, unit = (
        world.constraint(campaign, tag_slug=f"tag-{place}", statement=statement, member_count=90 - place)
        for place, statement in enumerate(STATEMENTS)
    )
    for part, model in enumerate(("base-7b", "checkpoint-3")):
        said: list[world.Said] = []
        for place, output in enumerate(world.outputs(campaign, 120, model=model)):
            found = [each for each, is_there in ((year, place % 3 == 0), (number, place % 3 < 2)) if is_there]
            found += [language] * (part == 0 and place % 4 == 0) + [unit] * (place == 7)
            split = [contradiction] * (place % 5 == 0)
            said.append((output, {"ben": [*found, *split], "cy": found, "dee": [*found, *split[: place % 2]]}))
        world.judged(said, people, at=NOW + timedelta(days=9 * part))
    world.measure(campaign)
    return campaign


def is_within(page: Page) -> bool:
    found: bool = page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    return found


@pytest.mark.parametrize(("device", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_from_the_constraints_to_ones_figures(open_page: Open, device: dict[str, Any], scheme: str) -> None:
    campaign = measured()
    page = open_page("/c/helpdesk/constraints/", factories.admin_of(campaign), color_scheme=scheme, **device)
    page.locator("main").get_by_role("link", name="Scorecard").click()
    rows = page.locator(".scorecard-row")
    expect(rows).to_have_count(5)
    expect(rows.nth(0)).to_contain_text("Overlaps")
    expect(rows.nth(2)).to_contain_text("Splits people")
    expect(rows.nth(3)).to_contain_text("Differs")
    assert is_within(page)
    rows.nth(0).get_by_role("link", name=STATEMENTS[0]).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(STATEMENTS[0])
    page.locator("#scorecard > summary").click()
    expect(page.locator("#scorecard")).to_contain_text("this one always comes with it")
    expect(page.get_by_role("table").filter(has_text="By model")).to_contain_text("base-7b")
    assert is_within(page)
    page.locator("#scorecard").get_by_role("link", name=STATEMENTS[1]).click()
    page.locator("#scorecard > summary").press("Enter")
    expect(page.locator("#scorecard")).to_contain_text("this one always brings it")
