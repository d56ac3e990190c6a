"""Approved sets compared, mapped and projected; constitutions out and in."""

from __future__ import annotations

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.models import Constraint
from tests import factories
from tests.annotate.api.conftest import Connect
from tests.annotate.constraints import rows
from tests.factories import NOW

SETS = "/api/v1/campaigns/helpdesk/constraint-sets"


@pytest.fixture
def ada(db: None) -> User:
    return factories.user("ada")


@pytest.fixture
def merged(ada: User) -> tuple[Constraint, Constraint]:
    """Two constraints of one member each in set 1; the second is merged into the first in set 2."""
    campaign: Campaign = factories.campaign("helpdesk", by=ada)
    one, two = (rows.constraint(campaign, f"statement {n}") for n in range(2))
    actions.approve(campaign=campaign, by=ada, now=NOW)
    actions.merge(into=one, others=[two], by=ada, now=NOW)
    actions.approve(campaign=campaign, by=ada, now=NOW)
    return one, two


@pytest.fixture
def api(connect: Connect, ada: User) -> Client:
    return connect(ada, "datasets:read", "datasets:write")


def test_changes_map_and_projection(api: Client, merged: tuple[Constraint, Constraint]) -> None:
    one, two = merged
    changes = api.get(f"{SETS}/2/changes").json()
    assert [(each["into"]["constraint"], [s["constraint"] for s in each["sources"]]) for each in changes["merged"]] == [
        (one.pk, [two.pk])
    ]
    assert len(api.get(f"{SETS}/1/changes").json()["added"]) == 2
    assert {each["constraint"]: each["later_constraint"] for each in api.get(f"{SETS}/1/map").json()} == {
        one.pk: one.pk,
        two.pk: one.pk,
    }
    first = api.get(f"{SETS}/1/projection?to=2&limit=1").json()
    second = api.get(first["next"]).json()
    found = [*first["results"], *second["results"]]
    assert [each["violation"] for each in found] == rows.violations(one)
    assert {each["later_constraint"] for each in found} == {one.pk}


def test_what_a_set_does_not_map_to(api: Client, merged: tuple[Constraint, Constraint], ada: User) -> None:
    assert api.get(f"{SETS}/2/map?to=1").status_code == 422
    assert api.get(f"{SETS}/1/map?to=x").status_code == 404
    assert api.get(f"{SETS}/9/map").status_code == 404
    actions.dismiss(constraint=Constraint.objects.get(pk=merged[0].pk), by=ada, now=NOW)
    rows.constraint(merged[0].campaign, "another")
    actions.approve(campaign=merged[0].campaign, by=ada, now=NOW)
    assert {each["later_entry"] for each in api.get(f"{SETS}/1/map").json()} == {None}
    assert {each["later_entry"] for each in api.get(f"{SETS}/1/projection").json()["results"]} == {None}


def test_a_constitution_goes_round(api: Client, merged: tuple[Constraint, Constraint], ada: User) -> None:
    factories.campaign("other", by=ada)
    for form, told in (("json", {"made": 1}), ("yaml", {"known": 1})):
        data = api.get(f"{SETS}/2/constitution.{form}").content
        answer = api.post("/api/v1/campaigns/other/constitution", data, content_type=f"application/{form}")
        assert answer.status_code == 200
        assert {name: count for name, count in answer.json().items() if count} == told
    assert api.get(f"{SETS}/2/constitution.md").content.startswith(b"# Constitution of helpdesk, revision 2\n")
    assert api.get(f"{SETS}/2/constitution.pdf").status_code == 404


def test_a_refused_constitution_names_the_line(api: Client, merged: tuple[Constraint, Constraint]) -> None:
    answer = api.post("/api/v1/campaigns/helpdesk/constitution", b'{"a":\n\n,}', content_type="application/json")
    assert answer.status_code == 422
    assert "Line 3: this is not JSON" in answer.json()["detail"]


def test_who_may(connect: Connect, merged: tuple[Constraint, Constraint], ada: User) -> None:
    campaign = merged[0].campaign
    researcher = connect(factories.member(campaign, "researcher"), "datasets:read", "datasets:write")
    assert researcher.get(f"{SETS}/1/map").status_code == 200
    assert researcher.post("/api/v1/campaigns/helpdesk/constitution", b"", content_type="a/b").status_code == 403
    assert connect(ada, "datasets:read").post("/api/v1/campaigns/helpdesk/constitution").status_code == 403
    assert connect(ada, "runs:read").get(f"{SETS}/1/map").status_code == 403
