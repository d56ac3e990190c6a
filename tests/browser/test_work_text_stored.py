"""What is marked by character on the Work page is stored exactly, sheet after sheet."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Violation
from tests.annotate.queue import rows
from tests.browser import work
from tests.browser.conftest import Open

pytestmark = pytest.mark.django_db(transaction=True)

ARABIC = "ولد الملك 🚀 في عام 1985 وتوفي عام 2001. كان عمره سبعين سنة!"
LATIN = "A \u202egnp\u202c of cafe\u0301s 🚀 in 1985, closed in 2001.\nA second paragraph."


@pytest.fixture
def campaign() -> Campaign:
    return rows.campaign()


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return rows.person("ada", campaign=campaign)


def painted(page: Page, name: str) -> list[str]:
    return list(
        page.evaluate(
            "(name) => [...(CSS.highlights.get(`work-${name}`) ?? [])].map((range) => range.toString())", name
        )
    )


def test_edges_moved_by_character_are_stored_sheet_after_sheet(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, ARABIC, LATIN)
    page = open_page(work.WORK, ada)
    work.prefetched(page)
    expected = []
    for _ in range(2):
        text = work.text_of(page)
        assert painted(page, "selection") + painted(page, "major") == []  # nothing is left of the sheet before
        is_arabic = text == ARABIC
        forward, back = ("ArrowLeft", "ArrowRight") if is_arabic else ("ArrowRight", "ArrowLeft")
        work.walk_to(page, text, "1985")
        work.press(page, f"Shift+{forward}", f"Shift+{forward}", "1")
        # The violation's end goes back over what was one too many, its start takes in two characters before it.
        work.press(page, "]", back, "[", *[f"Control+{back}"] * 2, "Escape", "m")
        start = text.index("1985") - 2
        expected.append((start, start + 6, text[start : start + 6], "minor"))
        assert painted(page, "minor") == [text[start : start + 6]]
        work.submit(page)
    found = Violation.objects.order_by("id").values_list("start", "end", "quote", "severity")
    assert list(found) == expected


def test_undone_edges_come_back_and_go_again(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.outputs(campaign, LATIN)
    page = open_page(work.WORK, ada)
    work.walk_to(page, LATIN, "cafe\u0301s")
    work.press(page, "Shift+ArrowRight", "1", "]", "Control+ArrowLeft", "Escape")
    quote = page.locator(".violation-quote")
    expect(quote).to_have_text("cafe\u0301")
    work.press(page, "Control+z")
    expect(quote).to_have_text("cafe\u0301s")
    work.press(page, "Control+y")
    expect(quote).to_have_text("cafe\u0301")
    work.saved(page)
    page.reload()
    expect(quote).to_have_text("cafe\u0301")
    assert painted(page, "major") == ["cafe\u0301"]
