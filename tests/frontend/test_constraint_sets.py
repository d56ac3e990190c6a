"""The sets page: what approval would freeze, what each revision changed, and constitutions out and in."""

from __future__ import annotations

import json

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.models import Constraint, ConstraintSet
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db

SETS = "/c/helpdesk/constraints/sets/"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    return factories.campaign("helpdesk", by=admin)


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def approved(campaign: Campaign, admin: User) -> list[ConstraintSet]:
    """Three revisions: three constraints; two of them merged; one reworded and one member split off."""
    one, two, three = (rows.constraint(campaign, f"statement {n} {HOSTILE}", members=4) for n in range(3))
    made = [actions.approve(campaign=campaign, by=admin, now=NOW)]
    actions.merge(into=one, others=[two], by=admin, now=NOW)
    made.append(actions.approve(campaign=campaign, by=admin, now=NOW))
    actions.rename(constraint=three, statement="other words", by=admin, now=NOW)
    apart = actions.split(constraint=one, violation_ids=rows.violations(one)[:1], statement="apart", by=admin, now=NOW)
    actions.accept(constraint=apart, by=admin, now=NOW)
    return [*made, actions.approve(campaign=campaign, by=admin, now=NOW)]


def text(page: Client, url: str) -> str:
    answer = page.get(url)
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "<img src=x" not in shown
    return " ".join(shown.split())


def test_what_approval_would_freeze_is_told(page: Client, campaign: Campaign, admin: User) -> None:
    one, two = (rows.constraint(campaign, f"statement {n}", members=2) for n in range(2))
    assert text(page, SETS).count('<span class="change">added</span>') == 2
    page.post(SETS)
    actions.merge(into=one, others=[two], by=admin, now=NOW)
    shown = text(page, SETS)
    assert '<span class="change">merged</span> <span><del>statement 1</del> <span class="muted">into</span>' in shown
    assert "Approve constraint set 2" in shown


def test_a_set_tells_which_checks_it_froze_and_what_became_of_them(
    page: Client, campaign: Campaign, admin: User
) -> None:
    one = rows.constraint(campaign, f"one {HOSTILE}", members=2)
    for number, text_ in enumerate((None, "check: number_in_source\n", "check: length\nmost: 9\n")):
        if text_ is not None:
            check_actions.save(constraint=one, text=text_, by=admin, now=NOW)
            assert '<span class="change">check ' in text(page, SETS), number
        page.post(SETS)
    assert '<span class="change">check changed</span>' in text(page, f"{SETS}3/")
    assert "version 1 to version 2" in text(page, f"{SETS}3/")
    assert "version&nbsp;1</a>" in text(page, f"{SETS}2/")
    assert '<span class="change">check added</span>' in text(page, f"{SETS}2/")
    assert '<td> <span class="muted">none</span> </td>' in text(page, f"{SETS}1/")


def test_a_set_tells_what_it_changed_and_where_its_constraints_are_now(
    page: Client, approved: list[ConstraintSet]
) -> None:
    last = text(page, f"{SETS}3/")
    assert "Since set 2" in last
    assert '<span class="change">split</span>' in last
    assert '<span class="change">reworded</span>' in last
    assert "In set" not in last
    since_first = text(page, f"{SETS}3/?since=1")
    assert '<span class="change">merged</span>' in since_first
    first = text(page, f"{SETS}1/")
    assert "Since set" not in first
    assert "In set 3" in first
    assert "other words" in first


@pytest.mark.parametrize(("since", "status"), [("99", 404), ("x", 404), ("3", 200)])
def test_since_what_is_no_earlier_set(page: Client, approved: list[ConstraintSet], since: str, status: int) -> None:
    assert page.get(f"{SETS}3/?since={since}").status_code == status


def test_a_constitution_is_handed_out_in_three_forms(page: Client, approved: list[ConstraintSet]) -> None:
    answers = {form: page.get(f"{SETS}3/constitution.{form}") for form in ("json", "yaml", "md")}
    assert answers["json"]["Content-Disposition"] == 'attachment; filename="helpdesk-constitution-3.json"'
    assert json.loads(answers["json"].content) == yaml.safe_load(answers["yaml"].content)
    assert b"1. statement 0 \\<img" in answers["md"].content
    assert page.get(f"{SETS}3/constitution.exe").status_code == 404
    assert page.get(f"{SETS}9/constitution.json").status_code == 404


def test_a_constitution_is_taken_in(page: Client, approved: list[ConstraintSet], admin: User) -> None:
    factories.campaign("other", by=admin)
    data = page.get(f"{SETS}3/constitution.yaml").content
    for told in ("3 new", "3 here already"):
        file = SimpleUploadedFile("c.yaml", data)
        answer = page.post("/c/other/constraints/sets/import/", {"constitution": file}, follow=True)
        assert told in answer.content.decode()
    assert Constraint.objects.filter(campaign__slug="other", state="accepted", named_by=admin).count() == 3


def test_a_refused_constitution_is_told_line_by_line(page: Client, campaign: Campaign) -> None:
    head = "format: negativa-constitution\nversion: 1\nprinciples:\n"
    bad = f"{head}- {{statement: '{HOSTILE}', tag: nowhere}}\n- {{statement: a, tag: '{HOSTILE}'}}\n"
    answer = page.post(f"{SETS}import/", {"constitution": SimpleUploadedFile("c.yaml", bad.encode())})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "Line 4: this campaign has no tag “nowhere”" in shown
    assert "Line 5:" in shown
    assert "<img src=x" not in shown
    assert page.post(f"{SETS}import/").status_code == 422
    assert not Constraint.objects.exists()


def test_who_may_take_one_in(client: Client, campaign: Campaign) -> None:
    client.force_login(factories.member(campaign, "researcher"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(f"{SETS}import/").status_code == 403
    assert client.get(SETS).status_code == 200
    assert "Import a constitution" not in client.get(SETS).content.decode()
