"""Judging through the API: what a lease shows, who may, twice equals once, and bodies nobody meant to send."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue
from annotate.queue.models import Lease, QueueItem
from tests import factories
from tests.annotate.api.conftest import Connect

SCOPE = "judgments:write"
LEASE_KEYS = {"lease", "expires_at", "prompt", "messages", "output", "suggestions", "tag_set"}
TAG_KEYS = {"slug", "name", "kind", "severity_rule", "span_rule", "description", "example"}
SPAN = {"tag": "invented-fact", "scope": "span", "severity": "major", "start": 15, "end": 19, "critique": "No."}


@pytest.fixture
def campaign(db: None) -> Campaign:
    return factories.campaign("helpdesk", by=factories.user("ada"))


@pytest.fixture
def script(campaign: Campaign) -> User:
    return factories.member(campaign, user=factories.user("checker", kind="script"))


@pytest.fixture
def caller(connect: Connect, script: User) -> Client:
    return connect(script, SCOPE)


def _next(caller: Client, slug: str = "helpdesk") -> Any:
    return caller.post(reverse("api-next", kwargs={"slug": slug}))


def _judge(caller: Client, lease: str, *, key: str = "a", after: str = "", **body: Any) -> Any:
    address = reverse("api-lease-judgment", kwargs={"token": lease}) + after
    body = body or {"verdict": "rejected", "violations": [SPAN]}
    return caller.post(address, body, content_type="application/json", headers={"Idempotency-Key": key})


def _skip(caller: Client, lease: str, body: Any = None) -> Any:
    body = {"reason": "Not my language"} if body is None else body
    return caller.post(reverse("api-lease-skip", kwargs={"token": lease}), body, content_type="application/json")


def test_next_shows_what_an_annotator_sees_and_nothing_else(caller: Client, campaign: Campaign) -> None:
    chat = factories.prompt(campaign, "user: When?\n\nassistant: Who asks?")
    chat.messages = [
        {"role": "user", "content": "When?", "id": 7},
        {"role": "assistant", "content": "Who asks?", "model": "secret-model", "tool_calls": [{"name": "clock"}]},
    ]
    chat.save()
    batch = factories.batch(campaign, name="secret-batch.jsonl", namespace="secret-space")
    meta = {"gold": "secret-gold", "checkpoint": "secret-checkpoint"}
    others: dict[str, Any] = {"external_id": "secret-id", "model": "secret-model", "meta": meta}
    output = factories.output(campaign, "It came out in 2018.", prompt=chat, batch=batch, **others)
    QueueItem.objects.filter(output=output).update(overlap=2)
    factories.judgment(output, annotator=factories.user("secret-colleague"), comment="secret-opinion")

    answer = _next(caller)
    lease = answer.json()
    assert (answer.status_code, set(lease)) == (200, LEASE_KEYS)
    assert lease["output"] == "It came out in 2018."
    assert lease["prompt"] == chat.text
    assert lease["messages"] == [
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": "Who asks?", "tool_calls": [{"name": "clock"}]},
    ]
    assert set(lease["tag_set"]) == {"version", "tags"}
    assert lease["tag_set"]["version"] == 1
    assert [set(tag) for tag in lease["tag_set"]["tags"]] == [TAG_KEYS] * 3
    assert lease["tag_set"]["tags"][0]["slug"] == "invented-fact"
    assert uuid.UUID(lease["lease"]).version == 4
    assert "secret" not in answer.text
    taken = _judge(caller, lease["lease"])
    assert set(taken.json()) == {"lease", "verdict", "revision", "judged_at", "next"}
    assert "secret" not in taken.text


def test_next_gives_the_same_lease_until_it_is_closed(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign)
    factories.output(campaign)
    first = _next(caller).json()["lease"]
    assert _next(caller).json()["lease"] == first
    assert Lease.objects.count() == 1


def test_next_is_204_when_nothing_is_left(caller: Client) -> None:
    answer = _next(caller)
    assert (answer.status_code, answer.content) == (204, b"")


def test_next_and_judge_cost_the_same_however_much_there_is(caller: Client, campaign: Campaign) -> None:
    counts = []
    for how_many in (2, 20):
        for _ in range(how_many):
            factories.output(campaign, "It came out in 2018.")
        _next(caller)
        with CaptureQueriesContext(connection) as queries:
            lease = _next(caller).json()["lease"]
            assert _judge(caller, lease, after="?next=1").status_code == 200
        counts.append(len([each for each in queries if "SAVEPOINT" not in each["sql"]]))
    assert counts[0] == counts[1] <= 24


def test_judge_stores_it_as_the_annotators_own(caller: Client, campaign: Campaign, script: User) -> None:
    factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    answer = _judge(caller, lease, verdict="rejected", violations=[SPAN], comment="Wrong year")
    assert answer.status_code == 200
    assert (answer.json()["verdict"], answer.json()["revision"], answer.json()["next"]) == ("rejected", 1, None)
    judgment = Judgment.objects.get()
    assert (judgment.annotator, judgment.annotator.kind, judgment.comment) == (script, "script", "Wrong year")
    violation = judgment.violations.get()
    assert (violation.quote, violation.severity, violation.critique) == ("2018", "major", "No.")


def test_judge_counts_code_points(caller: Client, campaign: Campaign) -> None:
    text = "👩🏽‍🚀 बताया कि 2018 में"
    factories.output(campaign, text)
    start = text.index("2018")
    _judge(
        caller,
        _next(caller).json()["lease"],
        verdict="rejected",
        violations=[SPAN | {"start": start, "end": start + 4}],
    )
    assert Judgment.objects.get().violations.get().quote == "2018"


def test_judge_answers_with_the_next_lease_when_asked(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign, "It came out in 2018.")
    factories.output(campaign, "It came out in 2019.")
    following = _judge(caller, _next(caller).json()["lease"], after="?next=1").json()["next"]
    assert set(following) == LEASE_KEYS
    assert following["output"] == "It came out in 2019."
    assert _judge(caller, following["lease"], after="?next=1").json()["next"] is None
    assert Judgment.objects.count() == 2


def test_judge_twice_is_once_and_another_key_is_a_change_of_mind(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    assert _judge(caller, lease, key="one").json() == _judge(caller, lease, key="one").json()
    assert Judgment.objects.count() == 1
    changed = _judge(caller, lease, key="two", verdict="nothing_wrong").json()
    assert (changed["verdict"], changed["revision"]) == ("nothing_wrong", 2)
    assert QueueItem.objects.get().judged_count == 1


def test_a_key_means_nothing_outside_its_lease(connect: Connect, caller: Client, campaign: Campaign) -> None:
    other = connect(factories.member(campaign, "reviewer"), SCOPE)
    for _ in range(2):
        factories.output(campaign, "It came out in 2018.")
    for each in (caller, other):
        assert _judge(each, _next(each).json()["lease"], key="1").status_code == 200
    assert Judgment.objects.count() == 2


def test_judge_after_the_lease_ran_out_is_kept(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    queue.expire_overdue(now=Lease.objects.get().expires_at + timedelta(days=1))
    other = factories.member(campaign)
    taken = queue.lease_next(campaign=campaign, annotator=other, now=factories.NOW)
    assert taken is not None
    answer = _judge(caller, lease)
    assert answer.status_code == 200
    assert "surplus" not in answer.text
    assert Judgment.objects.get().is_surplus


def test_a_paused_campaign_takes_what_is_leased_and_says_no_to_next(caller: Client, campaign: Campaign) -> None:
    for _ in range(2):
        factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    Campaign.objects.update(state="paused")
    answer = _judge(caller, lease, after="?next=1")
    assert (answer.status_code, answer.json()["next"]) == (200, None)
    refused = _next(caller)
    assert refused.status_code == 422
    assert "paused" in refused.json()["detail"]


def test_skip_does_not_bring_it_back_and_twice_is_once(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign)
    lease = _next(caller).json()["lease"]
    assert [_skip(caller, lease).status_code for _ in range(2)] == [204, 204]
    assert Lease.objects.get().skip_reason == "Not my language"
    assert _next(caller).status_code == 204


def test_skip_after_judging_is_422(caller: Client, campaign: Campaign) -> None:
    factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    _judge(caller, lease)
    assert _skip(caller, lease).status_code == 422


@pytest.mark.parametrize(
    ("role", "status"), [("annotator", 200), ("reviewer", 200), ("admin", 200), ("researcher", 403)]
)
@pytest.mark.parametrize("kind", ["person", "script", "model"])
def test_who_may_judge_is_a_matter_of_role(
    connect: Connect, campaign: Campaign, kind: str, role: str, status: int
) -> None:
    factories.output(campaign, "It came out in 2018.")
    user = factories.member(campaign, role, user=factories.user("x", kind=kind))
    assert _next(connect(user, SCOPE)).status_code == status


@pytest.mark.parametrize("kind", ["script", "model", "external", "person"])
def test_no_member_gets_nothing_whatever_the_kind(connect: Connect, campaign: Campaign, kind: str) -> None:
    factories.output(campaign)
    assert _next(connect(factories.user("x", kind=kind), SCOPE)).status_code == 404
    assert not Lease.objects.exists()


@pytest.mark.parametrize("kind", ["script", "person"])
@pytest.mark.parametrize(("change", "statuses"), [("delete", {404}), ("researcher", {403, 404})])
def test_who_left_cannot_judge_what_they_held(
    connect: Connect, campaign: Campaign, kind: str, change: str, statuses: set[int]
) -> None:
    factories.output(campaign, "It came out in 2018.")
    user = factories.member(campaign, user=factories.user("x", kind=kind))
    client = connect(user, SCOPE)
    lease = _next(client).json()["lease"]
    mine = user.memberships.filter(campaign=campaign)
    if change == "delete":
        mine.delete()
    else:
        mine.update(role=change)
    assert {_judge(client, lease).status_code, _skip(client, lease).status_code} <= statuses
    assert Lease.objects.get().state == "open"
    assert not Judgment.objects.exists()


def test_a_lease_of_somebody_else_is_404_for_an_admin_too(connect: Connect, caller: Client, campaign: Campaign) -> None:
    factories.output(campaign, "It came out in 2018.")
    lease = _next(caller).json()["lease"]
    for other in (factories.admin_of(campaign), factories.superuser(), factories.member(campaign)):
        client = connect(other, SCOPE)
        assert {_judge(client, lease).status_code, _skip(client, lease).status_code} == {404}
    assert Lease.objects.get().state == "open"


WRONG: list[Any] = [
    {},
    [],
    None,
    "rejected",
    {"verdict": "approved"},
    {"verdict": None},
    {"verdict": ["rejected"]},
    {"verdict": "rejected", "violations": None},
    {"verdict": "rejected", "violations": {}},
    {"verdict": "rejected", "violations": "x"},
    {"verdict": "rejected", "violations": [None]},
    {"verdict": "rejected", "violations": [[]]},
    {"verdict": "rejected", "violations": [{}]},
    {"verdict": "rejected", "violations": [SPAN | {"tag": {"slug": "x"}}]},
    {"verdict": "rejected", "violations": [SPAN | {"tag": "x" * 200}]},
    {"verdict": "rejected", "violations": [SPAN | {"scope": "word"}]},
    {"verdict": "rejected", "violations": [SPAN | {"severity": "awful"}]},
    {"verdict": "rejected", "violations": [SPAN | {"severity": None}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": -1}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": 1.5}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": True}]},
    {"verdict": "rejected", "violations": [SPAN | {"end": 10**30}]},
    {"verdict": "rejected", "violations": [SPAN | {"critique": "x" * 4001}]},
    {"verdict": "rejected", "violations": [SPAN] * 201},
    {"verdict": "rejected", "comment": "x" * 4001},
    {"verdict": "rejected", "comment": ["x"]},
]
AGAINST_A_RULE: list[Any] = [
    {"verdict": "rejected", "violations": [{"tag": 1, "scope": "span"}]},
    {"verdict": "rejected"},
    {"verdict": "nothing_wrong", "violations": [SPAN]},
    {"verdict": "rejected", "violations": [SPAN | {"tag": "no-such-tag"}]},
    {"verdict": "rejected", "violations": [SPAN | {"severity": ""}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": None}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": 19}]},
    {"verdict": "rejected", "violations": [SPAN | {"start": 25, "end": 21}]},
    {"verdict": "rejected", "violations": [SPAN | {"end": 2**31 - 1}]},
    {"verdict": "rejected", "violations": [SPAN | {"scope": "whole"}]},
    {"verdict": "rejected", "violations": [{"tag": "invented-fact", "scope": "span", "severity": "major"}]},
]


@pytest.fixture
def lease(caller: Client, campaign: Campaign) -> Iterator[str]:
    """A lease that no refused request changes."""
    factories.output(campaign, "It came out in 2018.")
    token = str(_next(caller).json()["lease"])
    yield token
    assert Lease.objects.get().state == "open"
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, each) for each in WRONG] + [(422, each) for each in AGAINST_A_RULE],
    ids=lambda each: json.dumps(each)[:70],
)
def test_a_judgment_that_is_not_right_is_refused_and_not_stored(
    caller: Client, lease: str, status: int, body: Any
) -> None:
    address = reverse("api-lease-judgment", kwargs={"token": lease})
    answer = caller.post(address, json.dumps(body), "application/json", headers={"Idempotency-Key": "a"})
    assert answer.status_code == status, answer.content
    assert answer.json()


@pytest.mark.parametrize("key", ["", " ", "x" * 256])
def test_a_judgment_without_a_key_is_400(caller: Client, lease: str, key: str) -> None:
    answer = _judge(caller, lease, key=key)
    assert (answer.status_code, list(answer.json())) == (400, ["Idempotency-Key"])


def test_a_next_that_is_no_truth_value_is_400_before_anything_is_stored(caller: Client, lease: str) -> None:
    assert _judge(caller, lease, after="?next=perhaps").status_code == 400


@pytest.mark.parametrize("body", [{}, [], "x", {"reason": ""}, {"reason": None}, {"reason": "x" * 201}, {"reason": []}])
def test_a_skip_without_a_reason_is_400(caller: Client, lease: str, body: Any) -> None:
    assert _skip(caller, lease, json.dumps(body)).status_code == 400


def test_only_post_is_taken(caller: Client, lease: str) -> None:
    for address in (reverse("api-next", kwargs={"slug": "helpdesk"}), reverse("api-lease-skip", args=[lease])):
        assert {caller.get(address).status_code, caller.delete(address).status_code} == {405}
