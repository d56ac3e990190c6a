"""Agreement: its figures, for admins and reviewers only; nobody else's page links to it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import actions, assessing
from annotate.quality.models import Assessment
from frontend.views import agreement
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/quality/agreement/"
NOW = factories.NOW


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = factories.campaign("helpdesk", overlap=2)
    client.force_login(factories.admin_of(made))
    return made


def shown(client: Client, **asked: str) -> Any:
    """Ask for the figures, let a worker compute them, and look."""
    address = PAGE + ("?" + urlencode(asked) if asked else "")
    client.post(address)
    [awaited] = Assessment.objects.filter(requested_at__isnull=False)
    actions.compute(assessment_id=awaited.pk, clock=lambda: NOW)
    return client.get(address)


def twice(campaign: Campaign, one: User, other: User, *, wrong: int, fine: int, split: int = 0) -> None:
    """Outputs that both reject for the same span, that both find right, and about which they differ."""
    span = [{"start": 0, "end": 6, "severity": "major"}]
    for number in range(wrong + fine + split):
        output = factories.output(campaign)
        verdicts = ("rejected", "nothing_wrong")
        said = verdicts if number < split else (verdicts[number - split >= wrong],) * 2
        for annotator, verdict in zip((one, other), said, strict=True):
            factories.judgment(output, verdict, annotator=annotator, violations=span)


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("researcher", 403), ("annotator", 403)]
)
def test_agreement_is_for_admins_and_reviewers(client: Client, campaign: Campaign, role: str, status: int) -> None:
    twice(campaign, factories.user("ada", name="Ada Secret"), factories.user("ben"), wrong=1, fine=1)
    shown(client)
    client.force_login(factories.member(campaign, role))
    response = client.get(PAGE)
    assert response.status_code == status
    assert ("Ada Secret" in response.text) == (status == 200)
    assert (PAGE in client.get("/c/helpdesk/quality/").text) == (status == 200)


def test_agreement_is_not_for_outsiders(client: Client, campaign: Campaign) -> None:
    client.force_login(factories.member(factories.campaign("elsewhere"), "admin"))
    assert client.get(PAGE).status_code == 404
    client.logout()
    assert client.get(PAGE).status_code == 302


def test_agreement_without_shared_outputs_says_what_it_needs(client: Client, campaign: Campaign) -> None:
    factories.judgment(factories.output(campaign))
    page = shown(client).text
    assert "No output has two judgments of people" in page
    assert "Let several judge each output" not in page
    Campaign.objects.update(overlap=1)
    assert "/c/helpdesk/settings/#overlap" in client.get(PAGE).text


def test_agreement_shows_figures_intervals_and_counts(client: Client, campaign: Campaign) -> None:
    ada, ben = factories.user("ada", name="Ada <b>"), factories.user("ben")
    twice(campaign, ada, ben, wrong=12, fine=12, split=6)
    response = shown(client)
    cells = {row.label: row.cell for row in response.context["rows"]}
    found = cells["Rejected or not"]
    assert (found.value, found.outputs, found.labels, found.reading) == ("0.61", 30, 60, "low")
    assert float(found.low) < 0.61 < float(found.high)
    assert cells["How severe"] is None
    assert cells["Where: overlap of pairs"].value == "0.80"
    assert cells["Where: overlap of pairs"].reading == ""
    [(name, applied, of_tag)] = response.context["tags"]
    assert (name, applied, of_tag[0].value) == ("Invented fact", 30, "0.61")
    [pair] = response.context["pairs"]
    assert (set(pair["both"]), pair["outputs"], pair["cells"][0].value) == ({ada, ben}, 30, "0.61")
    assert "What low agreement means" in response.text
    assert "Ada &lt;b&gt;" in response.text
    assert "<b>" not in response.text


def test_agreement_that_is_high_is_not_called_low(client: Client, campaign: Campaign) -> None:
    twice(campaign, factories.user(), factories.user(), wrong=60, fine=60, split=1)
    page = shown(client)
    assert page.context["rows"][0].cell.reading == "reliable"
    assert "What low agreement means" not in page.text
    assert "Whether they are right, only gold shows" in page.text


def test_few_outputs_have_no_interval_and_no_reading(client: Client, campaign: Campaign) -> None:
    twice(campaign, factories.user(), factories.user(), wrong=3, fine=3, split=1)
    page = shown(client)
    assert (page.context["rows"][0].cell.low, page.context["rows"][0].cell.reading) == ("", "too little to say")
    assert "no interval" in page.text


def test_agreement_is_of_people_unless_asked(client: Client, campaign: Campaign) -> None:
    twice(campaign, factories.user(), factories.user(), wrong=1, fine=1)
    twice(campaign, factories.user(kind="script"), factories.user(kind="model"), wrong=2, fine=1)
    twice(campaign, factories.user(), factories.user(kind="model"), wrong=4, fine=0)
    outputs = {asked: shown(client, judged_by=asked).context["found"].outputs for asked in ("", "programs", "all")}
    assert outputs == {"": 2, "programs": 3, "all": 9}
    assert client.get(PAGE, {"judged_by": "x"}).context["judged_by"] == "people"


def test_agreement_never_shows_gold(client: Client, campaign: Campaign) -> None:
    [gold] = factories.outputs(campaign, "Bloom came out in 1918.", is_gold=True)
    for _ in range(2):
        factories.judgment(gold)
    assert "No output has two judgments" in shown(client).text


def test_agreement_is_of_the_newest_outputs(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assessing, "OUTPUTS_AT_MOST", 3)
    monkeypatch.setattr(agreement, "TAGS_AT_MOST", 1)
    one, other = factories.user(), factories.user()
    twice(campaign, one, other, wrong=0, fine=2)
    for tag in ("invented-fact", "contradicts-itself", "contradicts-itself"):
        output = factories.output(campaign)
        for annotator in (one, other):
            factories.judgment(output, annotator=annotator, violations=[{"tag": tag}])
    page = shown(client)
    assert "On the newest 3 outputs" in page.text
    assert "1 more are in the output of" in page.text
    assert [name for name, _, _ in page.context["tags"]] == ["Contradicts itself"]


def test_agreement_costs_the_same_however_many(
    client: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    one, other = factories.user(), factories.user()
    twice(campaign, one, other, wrong=1, fine=1)
    shown(client)
    with django_assert_max_num_queries(8):
        client.get(PAGE)
    twice(campaign, one, factories.user(), wrong=10, fine=10)
    shown(client)
    with django_assert_max_num_queries(8):
        assert client.get(PAGE).context["found"].outputs == 22


def test_agreement_is_never_computed_by_a_request(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("annotate.quality.agreement_queries.agreement_of", None)
    twice(campaign, factories.user(), factories.user(), wrong=1, fine=1)
    assert "it will be within a minute or two" in client.get(PAGE).text
    client.post(PAGE)
    assert 'hx-trigger="every 2s"' in client.get(PAGE, headers={"HX-Request": "true"}).text
