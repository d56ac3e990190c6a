"""Verification through the API: blind, one's own, twice equals once."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from annotate.verification.models import Answer, Turn
from tests import factories
from tests.annotate.api.conftest import Connect
from tests.annotate.verification import rows

SCOPE = "judgments:write"
KEYS = {"verification", "expires_at", "statement", "prompt", "messages", "output", "suggestions"}


@pytest.fixture
def campaign(db: None) -> Campaign:
    campaign = rows.world()
    rows.start(campaign)
    return campaign


@pytest.fixture
def caller(connect: Connect, campaign: Campaign) -> Client:
    return connect(factories.member(campaign, user=factories.user("checker", kind="script")), SCOPE)


def ask(caller: Client) -> Any:
    return caller.post("/api/v1/campaigns/helpdesk/verify/next")


def say(caller: Client, token: str, body: Any, *, key: str = "a", after: str = "") -> Any:
    address = f"/api/v1/verifications/{token}{after}"
    return caller.post(address, body, content_type="application/json", headers={"Idempotency-Key": key})


def test_next_shows_what_an_annotator_sees_and_nothing_else(caller: Client) -> None:
    answer = ask(caller)
    assert (answer.status_code, set(answer.json())) == (200, KEYS)
    assert answer.json()["statement"] == rows.STATEMENT
    assert "secret" not in answer.text
    assert ask(caller).json()["verification"] == answer.json()["verification"]


def test_answer_brings_the_next_until_nothing_is_left(caller: Client) -> None:
    token, seen = ask(caller).json()["verification"], []
    while token:
        seen.append(token)
        answer = say(caller, token, {"answer": "violated"}, after="?next=1").json()
        token = (answer["next"] or {}).get("verification")
    assert len(set(seen)) == len(seen) == 8
    assert ask(caller).status_code == 204


def test_answer_twice_is_once_and_another_key_is_a_change_of_mind(caller: Client) -> None:
    token = ask(caller).json()["verification"]
    for key in ("a", "a", "b"):
        answer = say(caller, token, {"answer": "not_violated"}, key=key).json()
    assert (answer["revision"], answer["next"], Answer.objects.count()) == (2, None, 2)


def test_somebody_elses_question_is_404(connect: Connect, caller: Client, campaign: Campaign) -> None:
    token = ask(caller).json()["verification"]
    for other in (factories.admin_of(campaign), factories.superuser(), factories.user()):
        assert say(connect(other, SCOPE), token, {"answer": "violated"}).status_code == 404
    assert say(caller, str(uuid.uuid4()), {"answer": "violated"}).status_code == 404
    assert Turn.objects.get().state == "open"


@pytest.mark.parametrize("body", [{}, [], None, "violated", {"answer": "perhaps"}, {"answer": None}, {"answer": []}])
def test_an_answer_that_is_not_right_is_400(caller: Client, body: Any) -> None:
    assert say(caller, ask(caller).json()["verification"], body).status_code == 400
    assert not Answer.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_answer_without_a_key_is_400(caller: Client, key: str) -> None:
    assert say(caller, ask(caller).json()["verification"], {"answer": "violated"}, key=key).status_code == 400
