"""The Keys page, and the door through which scripts change preferences."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def post(client: Client, changes: object) -> tuple[int, dict[str, object]]:
    answer = client.post(
        "/account/preferences/",
        json.dumps(changes),
        content_type="application/json",
        headers={"accept": "application/json"},
    )
    return answer.status_code, answer.json()


def test_keys_page_asks_to_sign_in(client: Client) -> None:
    assert client.get("/account/keys/").headers["location"].startswith("/sign-in/")
    assert post(client, {"view": "raw"})[0] == 401


def test_keys_page_shows_every_action_with_its_keys(page: Client) -> None:
    shown = page.get("/account/keys/").content.decode()
    assert 'name="key-submit"' in shown and 'value="Ctrl+Enter"' in shown and 'value="Delete Backspace"' in shown


def test_keys_are_saved_and_reset(page: Client, ada: User) -> None:
    page.post("/account/keys/", {"key-minor": " x ", "key-remove": "del", "single_keys": "1"})
    ada.refresh_from_db()
    assert ada.preferences == {"keys": {"minor": ["x"], "remove": ["Delete"]}, "single_keys": True}
    assert "Reset to m" in page.get("/account/keys/").content.decode()
    page.post("/account/keys/", {"key-minor": "x", "key-skip": "q", "reset": "minor"})
    ada.refresh_from_db()
    assert ada.preferences == {"keys": {"remove": ["Delete"], "skip": ["q"]}, "single_keys": False}
    page.post("/account/keys/", {"key-minor": "nonsense", "reset_all": "1"})
    ada.refresh_from_db()
    assert ada.preferences == {"single_keys": False}


def test_a_clash_names_both_and_keeps_what_was_typed(page: Client, ada: User) -> None:
    answer = page.post("/account/keys/", {"key-minor": "g", "key-skip": "Ctrl+W", "key-help": "h F2"})
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert "“g” cannot be both “minor” and “nothing wrong”." in shown
    assert "“Ctrl+W” cannot be “skip”: in a browser it" in shown
    assert 'value="h F2"' in shown and 'value="Ctrl+W"' in shown
    ada.refresh_from_db()
    assert ada.preferences == {}


def test_a_tag_of_a_campaign_of_mine_has_its_key(page: Client, ada: User) -> None:
    mine, others = factories.campaign("mine"), factories.campaign("others")
    factories.member(mine, user=ada)
    shown = page.get("/account/keys/").content.decode()
    assert "“Invented fact” in Mine" in shown and "Others" not in shown
    status, answer = post(page, {"keys": {"minor": ["1"]}})
    assert status == 422 and "it is the key of “Invented fact” in Mine" in str(answer["message"])
    campaign_actions.set_state(campaign=mine, by=factories.admin_of(mine), state="closed", now=NOW)
    assert post(page, {"keys": {"minor": ["1"]}})[0] == 200
    assert others.pk


def test_preferences_answer_all_of_them(page: Client) -> None:
    status, answer = post(page, {"view": "raw", "single_keys": False})
    assert status == 200
    preferences = answer["preferences"]
    assert isinstance(preferences, dict)
    assert (preferences["view"], preferences["single_keys"], preferences["url"]) == (
        "raw",
        False,
        "/account/preferences/",
    )
    assert {"name": "skip", "group": "Judge", "says": "skip", "more": "", "keys": ["s"]} in preferences["actions"]


@pytest.mark.parametrize(
    "changes", [[], "raw", {"view": "none"}, {"keys": {"minor": "x"}}, {"keys": {"minor": ["\x00"]}}]
)
def test_preferences_refuse_what_they_do_not_know(page: Client, changes: object) -> None:
    status, answer = post(page, changes)
    assert status == 422 and answer["message"]


def test_preferences_refuse_what_is_no_json(page: Client) -> None:
    answer = page.post("/account/preferences/", "{", content_type="application/json")
    assert answer.status_code == 422


def test_hostile_keys_are_text(page: Client) -> None:
    shown = page.post("/account/keys/", {"key-minor": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert(1)" not in shown
