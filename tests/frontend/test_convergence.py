"""The Convergence page: who may read and set, what it says, and that it computes nothing."""

from __future__ import annotations

import doctest

import pytest
from django.test import Client
from django.utils.html import escape

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.convergence.models import Convergence, Probe, StopRule
from annotate.constraints.models import Constraint
from annotate.judgments.models import Judgment
from frontend import convergence_chart
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/constraints/convergence/"
HOSTILE = "<script>alert(1)</script>\u202emodel"
RULE = {"action": "rule", "coverage": "0.95", "expected_new": "1", "reviews": "10"}


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = factories.campaign("helpdesk")
    client.force_login(factories.admin_of(made))
    return made


def reviewed(campaign: Campaign, *, count: int = 12, model: str = HOSTILE) -> User:
    """Outputs that violate one constraint each, of two in turn, a third of them none; figures of all that."""
    person = factories.user()
    for number in range(count):
        tags = ("invented-fact", "ignores-instruction")
        violations = [{"tag": tags[number % 2], "critique": f"{tags[number % 2]} {number}"}]
        verdict = "rejected" if number % 3 else "nothing_wrong"
        factories.judgment(factories.output(campaign, model=model), verdict, annotator=person, violations=violations)
    constraints.regroup(campaign_id=campaign.pk, now=NOW)
    compute(campaign)
    return person


def compute(campaign: Campaign) -> None:
    convergence.compute(campaign_id=campaign.pk, clock=lambda: NOW)


def test_axes_end_at_round_numbers() -> None:
    assert doctest.testmod(convergence_chart) == (0, 3)


def test_chart_places_points_and_the_end_of_what_was_reviewed() -> None:
    chart = convergence_chart.chart([[1, 1, 0, 2, 1], [2, 3, 2, 4, 3], [3, 4, 2, 6, None]], units=2)
    assert chart is not None
    assert chart.mean == "250.0,350.0 500.0,250.0"
    assert chart.ahead == "500.0,250.0 750.0,200.0"
    assert chart.seen == "250.0,350.0 500.0,250.0"
    assert chart.band == "250.0,300.0 500.0,200.0 750.0,100.0 750.0,300.0 500.0,300.0 250.0,400.0"
    assert (chart.now, chart.xs, chart.ys) == (500.0, ["0", "1", "2", "3", "4"], ["8", "6", "4", "2", "0"])
    assert convergence_chart.chart([], units=2) is None


@pytest.mark.parametrize(
    ("role", "read", "set_"),
    [("admin", 200, 302), ("reviewer", 200, 403), ("researcher", 200, 403), ("annotator", 403, 403)],
)
def test_who_may_read_and_who_may_set(client: Client, campaign: Campaign, role: str, read: int, set_: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == read
    assert client.post(PAGE, RULE).status_code == set_
    assert StopRule.objects.exists() == (set_ == 302)


def test_page_before_the_first_figures(client: Client, campaign: Campaign) -> None:
    assert "No figures yet" in client.get(PAGE).text
    assert PAGE in client.get("/c/helpdesk/constraints/").text


def test_page_shows_figures_limits_and_what_is_left_out(client: Client, campaign: Campaign) -> None:
    reviewed(campaign)
    page = client.get(PAGE).text
    for said in ("Outputs reviewed", "There are at least", "Sample coverage", "a lower bound", "random order"):
        assert said in page
    assert "<polygon" in page and "The same numbers as a table" in page
    assert "with known errors" in page
    assert escape(HOSTILE) in page and HOSTILE not in page


def test_page_says_why_nothing_counts_when_only_scripts_judged(client: Client, campaign: Campaign) -> None:
    script = factories.user(kind=User.Kind.SCRIPT)
    factories.judgment(factories.output(campaign), "nothing_wrong", annotator=script)
    compute(campaign)
    page = client.get(PAGE).text
    assert "No review counts yet" in page and "judged by scripts or models only" in page
    assert "Sample coverage</dt>" not in page and "unknown" not in page


def test_page_of_one_slice(client: Client, campaign: Campaign) -> None:
    reviewed(campaign)
    reviewed(campaign, count=3, model="round-2")
    page = client.get(PAGE, {"slice": "model:round-2"})
    assert page.context["chosen"].units == "3"
    assert client.get(PAGE, {"slice": "model:none"}).context["chosen"].units == "15"


def test_page_says_when_the_rule_is_met(client: Client, campaign: Campaign) -> None:
    person = reviewed(campaign)
    client.post(PAGE, RULE | {"expected_new": "50", "coverage": "0.5"})
    assert "The stop rule is met." in client.get(PAGE).text
    client.post(PAGE, RULE | {"reviews": "40"})
    assert "not met yet" in client.get(PAGE).text
    factories.judgment(factories.output(campaign), "nothing_wrong", annotator=person)
    assert "Something has changed since" in client.get(PAGE).text
    client.post(PAGE, {"action": "remove"})
    assert "stop rule is" not in client.get(PAGE).text.replace("The stop rule is set", "")
    campaign.refresh_from_db()
    assert campaign.state == "active"


@pytest.mark.parametrize(("field", "typed"), [("coverage", "all"), ("coverage", "2"), ("reviews", "many")])
def test_page_keeps_what_was_typed(client: Client, campaign: Campaign, field: str, typed: str) -> None:
    answer = client.post(PAGE, RULE | {field: typed})
    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.text
    assert f'id="{field}-error"' in answer.text


def test_probe_can_be_drawn_anew(client: Client, campaign: Campaign) -> None:
    assert client.post(PAGE, {"action": "probe"}).status_code == 422
    reviewed(campaign)
    assert client.post(PAGE, {"action": "probe"}).status_code == 302
    assert len(Probe.objects.get().output_ids) == 12
    Constraint.objects.update(state="accepted")
    constraints.approve(campaign=campaign, by=factories.admin_of(campaign), now=NOW)
    compute(campaign)
    page = client.get(PAGE)
    assert "Set 1" in page.text
    assert [row.step.survivors.count for row in page.context["steps"]] == [4]
    assert "No check stands for 2 of the 2 constraints of set 1" in " ".join(page.text.split())


def test_page_shows_what_survives_by_checks_beside_people(client: Client, campaign: Campaign) -> None:
    reviewed(campaign)
    client.post(PAGE, {"action": "probe"})
    Constraint.objects.update(state="accepted", statement=HOSTILE)
    admin = factories.admin_of(campaign)
    constraints.approve(campaign=campaign, by=admin, now=NOW)
    one = Constraint.objects.order_by("id")[0]
    text = "check: length\nmost: 1\n"
    check_actions.save(constraint=one, text=text, by=admin, now=NOW)
    constraints.approve(campaign=campaign, by=admin, now=NOW)
    convergence.look(campaign_id=campaign.pk, clock=lambda: NOW)
    compute(campaign)
    page = client.get(PAGE)
    first, second = page.context["steps"]
    assert (first.so_far, first.checks.without) == (None, 2)
    assert (second.checks.checked, second.checks.without, second.so_far.value) == (1, 1, "0 %")
    assert "of 12" in second.so_far.between
    assert page.context["contraction"].xs == ["Set 1", "Set 2"]
    assert "No check stands for 1 of the 2 constraints of set 2" in " ".join(page.text.split())
    assert HOSTILE not in page.text


def test_contraction_is_drawn_from_the_second_set_on() -> None:
    assert convergence_chart.contraction(revisions=[3], people=[None], checks=[0.5]) is None
    made = convergence_chart.contraction(
        revisions=[3, 4, 5], people=[None, (0.5, 0.25, 0.75), None], checks=[1, 0.5, 0]
    )
    assert made is not None
    assert (made.checks, made.people) == ("0.0,0.0 500.0,200.0 1000.0,400.0", "500.0,200.0")
    assert made.band == "500.0,100.0 500.0,300.0"


def test_page_reads_no_judgment_text_and_never_computes(client: Client, campaign: Campaign) -> None:
    reviewed(campaign)
    before = Convergence.objects.get().figures
    Judgment.objects.update(is_current=False)
    assert "12" in client.get(PAGE).text
    assert Convergence.objects.get().figures == before
