"""Checks at the machines' door: read, saved, tried, trusted, and ruled on."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks.models import Check, CheckVersion, Ruling
from tests import factories
from tests.annotate.api.conftest import Connect
from tests.annotate.constraints import rows
from tests.annotate.constraints.checks import checks
from tests.factories import NOW

HELPDESK = "/api/v1/campaigns/helpdesk"


@pytest.fixture
def campaign(db: None) -> Campaign:
    """One constraint; eight outputs in which its check is right, one false alarm, one miss, two clear."""
    return checks.world(hits=8, alarms=1, misses=1, clear=2)


@pytest.fixture
def api(connect: Connect, campaign: Campaign) -> Client:
    return connect(factories.admin_of(campaign), "datasets:read", "datasets:write")


@pytest.fixture
def one(campaign: Campaign) -> str:
    return f"{HELPDESK}/constraints/{checks.constraint(campaign).pk}/check"


def post(api: Client, path: str, body: dict[str, Any]) -> Any:
    return api.post(path, body, content_type="application/json")


def test_a_check_is_saved_as_yaml_and_as_json_and_read_back(api: Client, one: str) -> None:
    assert api.get(one).status_code == 404
    first = api.post(one, checks.TEXT.encode(), content_type="application/yaml")
    assert (first.status_code, first.json()["version"], first.json()["state"]) == (200, 1, "draft")
    second = post(api, one, {"declared": [{"check": "length", "most": 9}]}).json()
    third = post(api, one, {"text": "check: length\nmost: 10\n"}).json()
    assert (second["version"], second["declared"]) == (2, [{"check": "length", "most": 9}])
    assert [each["number"] for each in third["versions"]] == [3, 2, 1]
    assert api.get(one).json() == third
    assert CheckVersion.objects.get(number=1).text == checks.TEXT
    again = post(api, one, {"text": "check: length\nmost: 10\n"})
    assert (again.status_code, again.json()["field"]) == (422, "text")


@pytest.mark.parametrize(
    ("body", "status", "field", "said"),
    [
        (
            {"declared": [{"check": "length", "most": 9}, {"check": "length", "mosst": 9}]},
            422,
            "declared.1.mosst",
            "mosst",
        ),
        ({"text": "check: length\nmost: x\n"}, 422, "text.0.most", "most"),
        ({"text": "check: length\n"}, 422, "text.0", "least or most"),
        ({"text": "check: ["}, 422, "text", "is no check"),
        ({"text": "a", "declared": [{}]}, 400, None, "either"),
        ({}, 400, None, "either"),
    ],
)
def test_a_refusal_names_the_key_and_stores_nothing(
    api: Client, one: str, body: dict[str, Any], status: int, field: str | None, said: str
) -> None:
    for path in (one, f"{one}/preview"):
        answer = post(api, path, body)
        assert (answer.status_code, answer.json().get("field")) == (status, field)
        assert said in answer.text
    assert not Check.objects.exists()


def test_a_preview_compares_with_people_and_stores_nothing(api: Client, one: str) -> None:
    found = post(api, f"{one}/preview?seed=3", {"text": checks.TEXT}).json()
    assert {name: found[name] for name in ("seed", "hit", "alarm", "miss", "clear")} == {
        "seed": 3,
        "hit": 8,
        "alarm": 1,
        "miss": 1,
        "clear": 2,
    }
    assert (found["precision"]["part"], found["precision"]["of"]) == (8, 9)
    assert found["rows"][0]["violated"] != found["rows"][0]["people"]
    assert not Check.objects.exists()
    assert post(api, f"{one}/preview?seed=x", {"text": checks.TEXT}).json() == {"seed": ["A whole number is wanted."]}


def test_steps_figures_and_the_list(api: Client, one: str, campaign: Campaign) -> None:
    post(api, one, {"text": checks.TEXT})
    assert post(api, f"{one}/step", {"to": "trusted"}).status_code == 422
    assert post(api, f"{one}/step", {"to": "shadow"}).json()["state"] == "shadow"
    checks.run(Check.objects.get())
    refused = post(api, f"{one}/step", {"to": "trusted"})
    assert (refused.status_code, "30 are asked for" in refused.json()["detail"]) == (422, True)
    admin = factories.admin_of(campaign)
    check_actions.set_trust_rule(campaign=campaign, precision=0.5, adjudicated=5, by=admin, now=NOW)
    assert post(api, f"{one}/step", {"to": "trusted"}).json()["lacks"] == ""
    [row] = api.get(f"{HELPDESK}/checks").json()["results"]
    assert (row["state"], row["statement"], "text" in row) == ("trusted", checks.STATEMENT, False)
    figures = row["figures"]
    assert (figures["outputs"], figures["violated"], figures["hit"], figures["miss"]) == (12, 9, 8, 1)
    assert figures["precision"]["value"] == pytest.approx(8 / 9)
    assert figures["precision"]["low"] == pytest.approx(0.565, abs=1e-3)
    assert figures["recall"]["of"] == 9


def test_results_page_by_key_and_by_version(api: Client, one: str, campaign: Campaign) -> None:
    checks.shadow(campaign)
    page = api.get(f"{one}/results?limit=7").json()
    rest = api.get(page["next"]).json()
    found = [*page["results"], *rest["results"]]
    assert (len(found), rest["next"], sum(each["violated"] for each in found)) == (12, None, 9)
    assert found[0]["findings"][0]["start"] == 18
    post(api, one, {"text": "check: length\nmost: 9\n"})
    assert api.get(f"{one}/results").json()["results"] == []
    assert len(api.get(f"{one}/results?version=1").json()["results"]) == 12
    assert api.get(f"{one}/results?version=9").status_code == 404
    assert api.get(f"{one}/results?version=x").status_code == 400


def test_disagreements_are_listed_and_ruled_on_once(api: Client, campaign: Campaign) -> None:
    life = checks.shadow(campaign)
    found = api.get(f"{HELPDESK}/checks/disagreements?constraint={life.constraint_id}").json()["results"]
    assert [(each["violated"], each["people"]) for each in found] == [(True, False), (False, True)]
    first = found[0]
    start, end = (first["findings"][0][name] - first["cut_at"] for name in ("start", "end"))
    assert first["excerpt"][start:end] == "1908"
    ruled = post(api, f"{HELPDESK}/checks/disagreements/{first['id']}", {"side": "check"})
    assert (ruled.status_code, ruled.json()["violated"]) == (200, True)
    assert post(api, f"{HELPDESK}/checks/disagreements/{first['id']}", {"side": "nobody"}).status_code == 400
    assert Ruling.objects.get().violated
    assert len(api.get(f"{HELPDESK}/checks/disagreements").json()["results"]) == 1
    assert api.get(f"{HELPDESK}/checks/disagreements?constraint=999").json()["results"] == []
    assert post(api, f"{HELPDESK}/checks/disagreements/{2**40}", {"side": "check"}).status_code == 404


def test_who_may(connect: Connect, campaign: Campaign, one: str) -> None:
    checks.saved(campaign)
    for role, status in (("reviewer", 200), ("researcher", 403), ("annotator", 403)):
        member = connect(factories.member(campaign, role), "datasets:read", "datasets:write")
        assert member.get(one).status_code == status
        assert post(member, f"{one}/step", {"to": "shadow"}).status_code == status
    reads = connect(factories.admin_of(campaign), "datasets:read")
    assert reads.get(f"{HELPDESK}/checks").status_code == 200
    assert post(reads, one, {"text": checks.TEXT}).status_code == 403


def test_another_campaigns_check_is_not_found(connect: Connect, api: Client, campaign: Campaign, one: str) -> None:
    theirs = checks.world("theirs", alarms=1)
    life = checks.shadow(theirs)
    assert api.get(f"{HELPDESK}/constraints/{life.constraint_id}/check").status_code == 404
    result = life.current.results.filter(violated=True, people=False).get()
    assert post(api, f"{HELPDESK}/checks/disagreements/{result.pk}", {"side": "check"}).status_code == 404
    assert api.get(f"{HELPDESK}/checks").json()["results"] == []


def test_the_list_costs_the_same_however_many_checks(
    api: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    for number in range(6):
        checks.saved_for(rows.constraint(campaign, f"statement {number}"), checks.TEXT)
    with django_assert_max_num_queries(8):
        assert len(api.get(f"{HELPDESK}/checks").json()["results"]) == 6
