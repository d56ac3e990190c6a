"""Reliability: what judgments say of annotators, for admins and reviewers only."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from annotate.quality import actions, assessing
from annotate.quality.models import Assessment
from frontend.views import reliability
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/quality/reliability/"
NOW = factories.NOW


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = factories.campaign("helpdesk", overlap=5)
    client.force_login(factories.admin_of(made))
    return made


def people(*names: str) -> list[User]:
    return [factories.user(name, name=f"{name.capitalize()} <b>") for name in names]


def judged(campaign: Campaign, by: list[User], *, count: int = 12, first: int = 0) -> list[Output]:
    """Every other output is wrong. All see it; whoever comes last rejects everything."""
    outputs = factories.outputs(campaign, *(f"Output {number}." for number in range(first, first + count)))
    for number, output in enumerate(outputs):
        for annotator in by:
            is_rejected = number % 2 or annotator == by[-1]
            factories.judgment(output, "rejected" if is_rejected else "nothing_wrong", annotator=annotator)
    return outputs


def shown(client: Client, **asked: str) -> Any:
    """Ask for the figures, let a worker compute them, and look."""
    address = PAGE + ("?" + urlencode(asked) if asked else "")
    assert client.post(address).headers["Location"] == address
    [awaited] = Assessment.objects.filter(requested_at__isnull=False)
    actions.compute(assessment_id=awaited.pk, clock=lambda: NOW)
    return client.get(address)


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("researcher", 403), ("annotator", 403)]
)
def test_reliability_is_for_admins_and_reviewers(client: Client, campaign: Campaign, role: str, status: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == status
    client.force_login(factories.user())
    assert client.get(PAGE).status_code == 404


def test_reliability_shows_each_annotator(client: Client, campaign: Campaign) -> None:
    judged(campaign, people("ada", "ben", "cleo", "dan"))
    response = shown(client)
    figures = {row["annotator"].username: row["one"] for row in response.context["rows"]}
    assert list(figures) == ["dan", "cleo", "ben", "ada"]
    assert figures["ada"].sensitivity.value > 0.95 < figures["ada"].specificity.value
    assert figures["dan"].specificity.value < 0.05
    assert figures["dan"].specificity.low < 0.005 < figures["dan"].specificity.high < 0.6
    assert figures["dan"].competence.value < 0.4 < figures["ada"].competence.value
    cells = {row["annotator"].username: row["cells"] for row in response.context["rows"]}
    assert cells["dan"][1].between.startswith("0–")
    assert cells["ada"][0].value.endswith(" %")
    assert "12 shared, with 3" in response.text
    assert "Ada &lt;b&gt;" in response.text
    assert "about 50 %" in response.text
    assert "Nowhere." in response.text


def test_reliability_is_linked_from_quality(client: Client, campaign: Campaign) -> None:
    assert f'href="{PAGE}"' in client.get("/c/helpdesk/quality/").text


def test_reliability_of_a_tag(client: Client, campaign: Campaign) -> None:
    judged(campaign, people("ada", "ben", "cleo"))
    page = shown(client, tag="invented-fact")
    assert "has the tag Invented fact" in page.text
    assert page.context["prevalence"] == 50
    assert "Everybody always said the same" in shown(client, tag="contradicts-itself").text
    assert client.get(PAGE, {"tag": "no-such-tag"}).status_code == 404


def test_reliability_counts_gold_when_asked(client: Client, campaign: Campaign) -> None:
    by = people("ada", "ben", "cleo")
    judged(campaign, by)
    for output in factories.outputs(campaign, "Gold.", "More gold.", is_gold=True):
        for annotator in by:
            factories.judgment(output, "nothing_wrong", annotator=annotator)
    assert shown(client).context["found"].output_count == 12
    assert shown(client, gold="1").context["found"].output_count == 14


def test_reliability_says_what_it_cannot_tell(client: Client, campaign: Campaign) -> None:
    ada, ben, cleo = people("ada", "ben", "cleo")
    assert "No judgments yet" in client.get(PAGE).text
    judged(campaign, [ada], count=2)
    assert "No output was judged twice" in shown(client).text
    judged(campaign, [ada, ben], count=12, first=2)
    assert "Only two people judged the same outputs" in shown(client).text
    assert "Ask for more judgments" in shown(client).text
    judged(campaign, [ada, ben, cleo], count=2, first=14)
    assert shown(client).context["found"].refusal == ""


def test_reliability_of_few_outputs(client: Client, campaign: Campaign) -> None:
    judged(campaign, people("ada", "ben", "cleo"), count=9)
    page = shown(client).text
    assert "Too few outputs were judged twice" in page
    assert "It takes 10 outputs" in page


def test_reliability_says_whose_outputs_nobody_shares(client: Client, campaign: Campaign) -> None:
    judged(campaign, people("ada", "ben", "cleo"))
    judged(campaign, people("eve"), first=12)
    page = shown(client)
    [eve] = [row for row in page.context["rows"] if row["annotator"].username == "eve"]
    assert eve["cells"] == [None, None, None]
    assert "none shared" in page.text


def test_reliability_shows_where_the_model_differs(client: Client, campaign: Campaign) -> None:
    *by, dan, eve = people("ada", "ben", "dan", "eve")
    outputs = judged(campaign, [*by, dan], count=24)
    for output in outputs:
        factories.judgment(output, "rejected", annotator=eve)
    page = shown(client)
    assert {each["opinion"].output_id for each in page.context["differing"]} == {each.pk for each in outputs[::2]}
    assert "2 of 4" in page.text
    assert {each["dawid_skene"] for each in page.context["differing"]} == {"under 1 %"}
    assert f'href="/c/helpdesk/outputs/{outputs[0].pk}/"' in page.text


def test_reliability_says_that_older_judgments_are_left_out(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(campaign, people("ada", "ben", "cleo"), count=14)
    assert "the newest" not in shown(client).text
    monkeypatch.setattr(assessing, "JUDGMENTS_AT_MOST", 36)
    page = shown(client)
    assert "the newest 36 judgments" in page.text
    assert page.context["found"].output_count == 12


def test_reliability_costs_the_same_however_many(
    client: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    by = people("ada", "ben", "cleo")
    judged(campaign, by)
    shown(client)
    with django_assert_max_num_queries(12) as few:
        client.get(PAGE)
        allowed = len(few)
    judged(campaign, [*by, *people("dan", "eve", "flo")], count=20, first=12)
    shown(client)
    with django_assert_max_num_queries(allowed):
        assert len(client.get(PAGE).context["rows"]) == 6


def test_reliability_is_never_computed_by_a_request(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotate.quality.reliability.estimate", None)
    judged(campaign, people("ada", "ben", "cleo"))
    assert "it will be within a minute or two" in client.get(PAGE).text
    assert "when somebody asks for it" in client.get(PAGE, {"tag": "invented-fact"}).text
    client.post(PAGE)
    page = client.get(PAGE, headers={"HX-Request": "true"}).text
    assert "Being computed." in page
    assert 'hx-trigger="every 2s"' in page
    assert "<h1>" not in page


def test_reliability_says_when_it_was_computed_and_that_somebody_judged_since(
    client: Client, campaign: Campaign
) -> None:
    judged(campaign, people("ada", "ben", "cleo"))
    page = shown(client).text
    assert "1 Mar 2026, 12:00" in page
    assert "Somebody has judged since" not in page
    judged(campaign, people("dan"), count=1)
    page = client.get(PAGE)
    assert "Somebody has judged since" in page.text
    assert page.context["found"].output_count == 12
    assert "Compute again" in page.text


def test_reliability_pages_its_annotators(client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "ANNOTATORS_SHOWN", 2)
    judged(campaign, people("ada", "ben", "cleo"))
    first = shown(client, tag="invented-fact")
    second = client.get(first.context["page"].next_url)
    assert [row["annotator"].username for row in second.context["rows"]] == ["ada"]
    assert second.context["tag"].slug == "invented-fact"
