"""Reviewing constraints in Chromium, by keys alone: choose, merge, split, move, accept, dismiss, undo, approve."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.merging import actions as merging_actions
from annotate.constraints.models import Constraint, Member, MergeProposal
from tests import factories
from tests.annotate.constraints import rows
from tests.browser.conftest import Open
from tests.factories import NOW

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/c/helpdesk/constraints/"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(ada: User) -> Campaign:
    made = factories.campaign("helpdesk", by=ada)
    for number, statement in enumerate(("rude to the customer", "wrong unit", "says a date the source does not give")):
        rows.constraint(made, statement, members=6 - number, state="candidate")
    return made


def states() -> dict[str, str]:
    return dict(Constraint.objects.values_list("statement", "state"))


def says(page: Page, text: str) -> None:
    """Wait until the last act is named so, over the reload that it may take."""
    expect(page.locator("#undo .hint")).to_contain_text(text)


def has_nothing_to_undo(page: Page) -> None:
    expect(page.locator("#undo .hint")).to_have_count(0)


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def test_the_list_by_keys_with_undo(open_page: Open, campaign: Campaign, ada: User) -> None:
    page = open_page(LIST, ada)
    press(page, "j j a")
    says(page, "accepting “wrong unit”")
    expect(page.locator("[data-row].is-current, [data-row]:focus-within").first).to_contain_text("wrong unit")
    assert states()["wrong unit"] == "accepted"
    press(page, "j d")
    says(page, "dismissing")
    press(page, "u")
    says(page, "accepting “wrong unit”")
    assert states()["says a date the source does not give"] == "candidate"
    press(page, "Control+z")
    has_nothing_to_undo(page)
    assert set(states().values()) == {"candidate"}
    press(page, "k k k x j x m")
    says(page, "merging into “rude to the customer”")
    assert Constraint.objects.get(statement="rude to the customer").member_count == 11
    press(page, "u")
    has_nothing_to_undo(page)
    assert Constraint.objects.get(statement="rude to the customer").member_count == 6


def test_the_sheet_lists_the_keys_and_closes(open_page: Open, campaign: Campaign, ada: User) -> None:
    page = open_page(LIST, ada)
    press(page, "?")
    sheet = page.locator("#constraint-keys")
    expect(sheet).to_be_visible()
    for says in ("accept", "dismiss", "merge", "undo"):
        expect(sheet).to_contain_text(says)
    press(page, "a Escape")
    expect(sheet).to_be_hidden()
    assert set(states().values()) == {"candidate"}


def test_split_and_move_by_keys(open_page: Open, campaign: Campaign, ada: User) -> None:
    source = Constraint.objects.get(statement="rude to the customer")
    target = Constraint.objects.get(statement="wrong unit")
    page = open_page(f"{LIST}{source.pk}/", ada)
    press(page, "j x j x s")
    says(page, "splitting off")
    assert source.members.count() == 4
    press(page, "u")
    has_nothing_to_undo(page)
    assert source.members.count() == 6
    page.goto(f"{LIST}{source.pk}/")
    press(page, "j x v")
    page.locator("select[name=into]").select_option(str(target.pk))
    press(page, "Enter")
    says(page, "moving members to “wrong unit”")
    assert (source.members.count(), target.members.count()) == (5, 6)
    press(page, "u")
    has_nothing_to_undo(page)
    assert not Member.objects.filter(is_pinned=True).exists()


def test_similar_pairs_by_one_key_each(open_page: Open, campaign: Campaign, ada: User) -> None:
    rows.constraint(campaign, "gives a date that the source does not give", members=2, state="candidate")
    rows.constraint(campaign, "wrong units", members=2, state="candidate")
    merging_actions.compare(campaign_id=campaign.pk, now=NOW)
    assert MergeProposal.objects.count() == 2
    page = open_page(f"{LIST}similar/", ada)
    expect(page.locator("article.similar")).to_have_count(2)
    press(page, "j m")
    expect(page.locator("article.similar")).to_have_count(1)
    says(page, "merging into")
    press(page, "u")
    expect(page.locator("article.similar")).to_have_count(2)
    press(page, "j n")
    expect(page.locator("article.similar")).to_have_count(1)
    assert MergeProposal.objects.exclude(refused_at=None).count() == 1


def test_without_single_keys_only_undo_works(open_page: Open, campaign: Campaign, ada: User) -> None:
    ada.preferences = {"single_keys": False}
    ada.save()
    page = open_page(LIST, ada)
    press(page, "j a")
    page.get_by_role("button", name="Accept").first.click()
    says(page, "accepting")
    press(page, "Control+z")
    has_nothing_to_undo(page)
    assert set(states().values()) == {"candidate"}


def test_merge_undo_approve_and_diff_without_scripts(open_page: Open, campaign: Campaign, ada: User) -> None:
    Constraint.objects.update(state="accepted")
    page = open_page("/c/helpdesk/constraints/sets/", ada, java_script_enabled=False)
    page.get_by_role("button", name="Approve constraint set 1").click()
    page.goto(LIST)
    for number in (0, 1):
        page.locator("input[name=constraint]").nth(number).check()
    page.locator("#chosen [value=merge]").click()
    page.get_by_role("button", name="Undo").click()
    assert Constraint.objects.filter(state="retired").count() == 0
    for number in (0, 1):
        page.locator("input[name=constraint]").nth(number).check()
    page.locator("#chosen [value=merge]").click()
    page.goto("/c/helpdesk/constraints/sets/")
    expect(page.locator(".changes")).to_contain_text("merged")
    page.get_by_role("button", name="Approve constraint set 2").click()
    page.goto("/c/helpdesk/constraints/sets/1/")
    expect(page.locator("table")).to_contain_text("In set 2")
