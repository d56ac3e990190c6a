"""Who gets through the machines' door: every address, every method."""

import re
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from annotate.accounts import actions as accounts
from annotate.accounts.models import ApiToken
from annotate.api.urls import RESOURCES
from tests import factories
from tests.annotate.api.conftest import Connect

ALL_SCOPES = tuple(ApiToken.Scope.values)
ADDRESSES = [address for resource in RESOURCES for address in resource.urls]
BELOW_CAMPAIGN = [address for address in ADDRESSES if "<slug:slug>" in str(address.pattern)]
FOR_JUDGES = [
    address
    for address in ADDRESSES
    if str(address.name) in ("api-next", "api-lease-judgment", "api-lease-skip", "api-verify-next", "api-verify-answer")
]
FOR_OTHERS = [address for address in BELOW_CAMPAIGN if address not in FOR_JUDGES]


def _path(address: URLPattern, slug: str = "helpdesk") -> str:
    values = {
        "slug": slug,
        "batch_id": 1,
        "version": 1,
        "revision": 1,
        "form": "json",
        "run_id": 1,
        "constraint_id": 1,
        "result_id": 1,
        "name": "train.jsonl",
        "token": UUID(int=1),
    }
    wanted = re.findall(r"<\w+:(\w+)>", str(address.pattern))
    return reverse(str(address.name), kwargs={name: values[name] for name in wanted})


def _methods(address: URLPattern) -> list[str]:
    scopes: dict[str, str | None] = address.callback.view_class.scopes  # type: ignore[attr-defined]
    return list(scopes)


CALLS = [(address, method) for address in ADDRESSES for method in _methods(address)]
IDS = [f"{method} {address.name}" for address, method in CALLS]


@pytest.mark.parametrize(("address", "method"), CALLS, ids=IDS)
def test_no_token_is_401(db: None, address: URLPattern, method: str) -> None:
    assert Client().generic(method, _path(address)).status_code == 401


@pytest.mark.parametrize(("address", "method"), CALLS, ids=IDS)
def test_a_token_without_the_scope_is_403(connect: Connect, address: URLPattern, method: str) -> None:
    scope = address.callback.view_class.scopes[method]  # type: ignore[attr-defined]
    if scope is None:
        pytest.skip("any token may call this")
    admin = factories.user()
    factories.campaign("helpdesk", by=admin)
    others = [each for each in ALL_SCOPES if each != scope]
    answer = connect(admin, *others).generic(method, _path(address))
    assert answer.status_code == 403
    assert scope in answer.json()["detail"]


@pytest.mark.parametrize("address", BELOW_CAMPAIGN, ids=[str(each.name) for each in BELOW_CAMPAIGN])
def test_another_campaigns_address_is_404_for_an_outsider(connect: Connect, address: URLPattern) -> None:
    factories.campaign("helpdesk")
    client = connect(factories.user(), *ALL_SCOPES)
    for method in _methods(address):
        assert client.generic(method, _path(address)).status_code == 404


@pytest.mark.parametrize("address", FOR_OTHERS, ids=[str(each.name) for each in FOR_OTHERS])
def test_an_annotator_is_refused_wherever_they_cannot_judge(connect: Connect, address: URLPattern) -> None:
    campaign = factories.campaign("helpdesk")
    client = connect(factories.member(campaign, "annotator"), *ALL_SCOPES)
    for method in _methods(address):
        assert client.generic(method, _path(address)).status_code == 403


def test_the_account_page_can_tell_when_a_token_was_last_used(db: None) -> None:
    token, plaintext = accounts.create_token(user=factories.user(), name="t", scopes=["runs:read"], now=factories.NOW)
    assert token.last_used_at is None
    Client(headers={"Authorization": f"Bearer {plaintext}"}).get(reverse("api-campaigns"))
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_a_revoked_token_is_401(db: None) -> None:
    user = factories.user()
    token, plaintext = accounts.create_token(user=user, name="t", scopes=["runs:read"], now=factories.NOW)
    client = Client(headers={"Authorization": f"Bearer {plaintext}"})
    assert client.get(reverse("api-campaigns")).status_code == 200
    accounts.revoke_token(by=user, token_id=token.pk, now=factories.NOW)
    assert client.get(reverse("api-campaigns")).status_code == 401


def test_a_browser_session_does_not_open_this_door(db: None) -> None:
    client = Client()
    client.force_login(factories.superuser())
    assert client.get(reverse("api-campaigns")).status_code == 401


def test_campaigns_lists_only_mine(connect: Connect) -> None:
    admin = factories.user()
    factories.campaign("mine", by=admin)
    factories.campaign("theirs")
    answer = connect(admin, "runs:read").get(reverse("api-campaigns"))
    assert [each["slug"] for each in answer.json()["results"]] == ["mine"]


def test_campaigns_hide_from_annotators_what_they_must_not_know(connect: Connect) -> None:
    campaign = factories.campaign("helpdesk", gold_share=7, stance="flipped", order="breadth")
    told = {"order": "breadth", "gold_share": 7, "stance": "flipped"}
    for role, expected in (
        ("admin", told),
        ("researcher", told),
        ("annotator", {**told, "gold_share": None, "stance": None}),
    ):
        [row] = (
            connect(factories.member(campaign, role), "judgments:write").get(reverse("api-campaigns")).json()["results"]
        )
        assert {name: row[name] for name in expected} == expected
