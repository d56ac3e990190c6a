"""The Verify page as a plain form and as its script's doors: blind, one's own, constant in statements."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.verification import actions
from annotate.verification.models import Answer, Item, Round, Turn
from frontend.views import verify
from tests import factories
from tests.annotate.verification import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db
HOSTILE = '<img src=x onerror=alert(1)> <b hx-get="/x"> </script> \u202egnp'
JSON = {"Accept": "application/json"}


@pytest.fixture
def campaign() -> Campaign:
    return rows.world()


@pytest.fixture
def ada(campaign: Campaign, client: Client) -> User:
    ada = factories.member(campaign, user=factories.user("ada"))
    sign_in(client, ada)
    return ada


def sign_in(client: Client, user: User) -> Client:
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def send(client: Client, path: str, body: Any = None) -> Any:
    return client.post(f"/c/helpdesk/verify/{path}", body or {}, content_type="application/json", headers=JSON)


def test_page_shows_a_question_and_links_lead_to_it(client: Client, campaign: Campaign, ada: User) -> None:
    assert "/verify/" not in client.get("/").text + client.get("/c/helpdesk/").text
    assert "Nothing left to verify" in client.get("/c/helpdesk/verify/").text
    rows.start(campaign)
    for path in ("/", "/c/helpdesk/"):
        assert "/c/helpdesk/verify/" in client.get(path).text
    page = client.get("/c/helpdesk/verify/")
    assert rows.STATEMENT in page.text
    assert "no-store" in page["Cache-Control"]
    assert Turn.objects.filter(annotator=ada).count() == verify.HELD


def test_page_without_script_answers_and_takes_back(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    client.get("/c/helpdesk/verify/")
    turn = Turn.objects.order_by("place")[0]
    form = {"answer": "cannot_tell", "key": str(uuid4())}
    for _ in range(2):
        answer = client.post(f"/c/helpdesk/verify/{turn.token}/", form)
        assert answer["Location"] == f"/c/helpdesk/verify/?after={turn.token}"
    page = client.get(answer["Location"]).text
    assert "Saved: cannot tell." in page
    assert f"/verify/{turn.token}/undo/" in page
    back = client.post(f"/c/helpdesk/verify/{turn.token}/undo/")
    assert f'action="/c/helpdesk/verify/{turn.token}/"' in client.get(back["Location"]).text
    assert Answer.objects.filter(withdrawn_at=None).count() == 0


def test_answer_brings_the_next_questions(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    questions = send(client, "next/").json()["questions"]
    tokens = [question["token"] for question in questions]
    body = {"answer": "violated", "key": str(uuid4()), "seconds": 0, "besides": tokens}
    answer = send(client, f"{tokens[0]}/", body).json()
    assert (len(answer["questions"]), answer["why"]) == (1, "")
    assert answer["questions"][0]["token"] not in tokens
    assert Answer.objects.get().seconds == 0.0
    assert send(client, f"{tokens[0]}/undo/", {"key": str(uuid4())}).json() == {}
    assert Answer.objects.get().is_current, "another answer was meant"
    send(client, f"{tokens[0]}/undo/", {"key": body["key"]})
    assert not Answer.objects.get().is_current


def test_release_gives_back_what_was_fetched_ahead(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    questions = send(client, "next/").json()["questions"]
    assert send(client, "release/", {"release": [each["token"] for each in questions]}).json() == {}
    assert not Turn.objects.filter(state="open").exists()
    assert set(Item.objects.values_list("taken_count", flat=True)) == {0}


def test_page_and_answers_are_blind(client: Client, campaign: Campaign, ada: User) -> None:
    """Neither model nor batch, neither marks nor who made them, neither tagged nor not, no number that counts."""
    made = rows.start(campaign, overlap=2, seed=918_273_645_546_372_819)
    other = factories.member(campaign, user=factories.user("secret-colleague"))
    for turn in rows.take(campaign, other, wanted=2):
        rows.say(turn)
    page = client.get("/c/helpdesk/verify/").text
    question = send(client, "next/").json()["questions"][0]
    assert set(question) == {"token", "statement", "prompt", "output", "language", "found"}
    assert set(question["prompt"][0]) == {"role", "kind", "name", "pieces"}
    for text in (page, json.dumps(question)):
        for secret in ("secret", "tagged", "critic-", "outputs.jsonl", str(made.seed)):
            assert secret not in text
    shown = json.loads(page.split('<script id="verify-data" type="application/json">')[1].split("</script>")[0])
    assert set(shown) == {
        "questions", "answered", "left", "is_sensitive", "preferences", "owner", "urls"
    }  # fmt: skip


def test_texts_are_text(client: Client) -> None:
    campaign = rows.world(tagged=1, others=0)
    output = campaign.outputs.get()
    type(output).objects.update(text=f"Output {HOSTILE}")
    type(output.prompt).objects.update(text=f"Prompt {HOSTILE}")
    constraint = rows.constraint(campaign)
    admin = factories.admin_of(campaign)
    constraints.rename(constraint=constraint, statement=f"Statement {HOSTILE}", by=admin, now=NOW)
    factories.output(campaign, f"Output {HOSTILE}", prompt=output.prompt)
    rows.start(campaign, tagged=1, random=1)
    sign_in(client, admin)
    for path in ("verify/", f"constraints/{constraint.pk}/verification/", f"constraints/{constraint.pk}/"):
        page = client.get(f"/c/helpdesk/{path}").text
        assert "<img" not in page and "<b hx" not in page
        assert 'data-name="RLO"' in page or "constraints" in path


@pytest.mark.parametrize("path", ["{token}/", "{token}/undo/"])
def test_somebody_elses_question_is_404(client: Client, campaign: Campaign, ada: User, path: str) -> None:
    rows.start(campaign)
    other = factories.member(campaign)
    [turn] = rows.take(campaign, other)
    for token in (turn.token, uuid4()):
        assert send(client, path.format(token=token), {"answer": "violated", "key": str(uuid4())}).status_code == 404
        assert client.post(f"/c/helpdesk/verify/{path.format(token=token)}").status_code == 404
    page = client.get(f"/c/helpdesk/verify/?turn={turn.token}&after={turn.token}").text
    assert "Saved" not in page and f"/verify/{turn.token}/" not in page
    assert not Answer.objects.exists()


def test_a_question_is_answered_under_its_own_campaign_only(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    factories.member(factories.campaign("other"), user=ada)
    [turn] = rows.take(campaign, ada)
    sent = client.post(
        f"/c/other/verify/{turn.token}/", {"answer": "violated", "key": str(uuid4())}, content_type="application/json",
        headers=JSON,
    )  # fmt: skip
    assert sent.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {"answer": "violated"}, {"answer": "perhaps", "key": str(uuid4())}, {"answer": ["violated"], "key": 7}, []],
)
def test_a_damaged_answer_is_422_and_not_stored(client: Client, campaign: Campaign, ada: User, body: Any) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    sent = client.post(
        f"/c/helpdesk/verify/{turn.token}/", json.dumps(body), content_type="application/json", headers=JSON
    )
    assert sent.status_code == 422
    assert not Answer.objects.exists()


def test_outsiders_and_researchers_get_nothing(client: Client, campaign: Campaign) -> None:
    rows.start(campaign)
    assert send(client, "next/").status_code == 401
    for person, status in ((factories.user(), 404), (factories.member(campaign, "researcher"), 403)):
        sign_in(client, person)
        assert client.get("/c/helpdesk/verify/").status_code == status
        assert send(client, "next/").status_code == status
    assert not Turn.objects.exists()


def test_a_resting_campaign_says_so(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign)
    [turn] = rows.take(campaign, ada)
    Campaign.objects.update(state="paused")
    assert "This campaign is paused" in client.get("/c/helpdesk/verify/").text
    sent = send(client, f"{turn.token}/", {"answer": "violated", "key": str(uuid4())})
    assert (sent.status_code, sent.json()) == (200, {"questions": [], "why": "paused"})
    assert Answer.objects.count() == 1


def test_statements_do_not_grow(client: Client, campaign: Campaign, ada: User) -> None:
    rows.start(campaign, tagged=3, random=5, overlap=3)
    counts = []
    client.get("/c/helpdesk/verify/")
    for _ in range(2):
        with CaptureQueriesContext(connection) as page:
            client.get("/c/helpdesk/verify/")
        tokens = list(map(str, Turn.objects.filter(state="open").values_list("token", flat=True)))
        body = {"answer": "violated", "key": str(uuid4()), "besides": tokens}
        with CaptureQueriesContext(connection) as answered:
            send(client, f"{tokens[0]}/", body)
        counts.append((len(page), len(answered)))
        for number in range(20):
            factories.output(campaign, f"more {len(counts)} {number}")
    assert counts[0] == counts[1]
    assert counts[0][0] <= 10 and counts[0][1] <= 17


def decide(client: Client, campaign: Campaign, **fields: Any) -> Any:
    return client.post(f"/c/helpdesk/constraints/{rows.constraint(campaign).pk}/verification/", fields)


def test_rounds_are_started_seen_and_closed(client: Client, campaign: Campaign) -> None:
    sign_in(client, factories.member(campaign, "reviewer"))
    address = f"/c/helpdesk/constraints/{rows.constraint(campaign).pk}/verification/"
    assert address in client.get(f"/c/helpdesk/constraints/{rows.constraint(campaign).pk}/").text
    assert "Start a round" in client.get(address).text
    assert decide(client, campaign, action="start", tagged=2, random=3, overlap=2).status_code == 302
    made = Round.objects.get()
    for name in ("ada", "ben"):
        person = factories.member(campaign, user=factories.user(name))
        for turn in rows.take(campaign, person, wanted=5):
            rows.say(turn, "violated" if turn.item.is_tagged else "not_violated")
    page = client.get(address).text
    assert "10 of 10 answers" in page and "α = 1.00" in page and "100 %" in page and "0 %" in page
    assert decide(client, campaign, action="close", round=made.pk).status_code == 302
    assert Round.objects.get().state == "closed"
    assert "Start another round" in client.get(address).text


def test_a_refused_round_keeps_what_was_typed(client: Client, campaign: Campaign) -> None:
    sign_in(client, factories.admin_of(campaign))
    for fields, says in (
        ({"tagged": 41, "random": 0, "overlap": 2}, "at least one output at random"),
        ({"tagged": 41, "random": "x", "overlap": 2}, "not a whole number"),
        ({"tagged": 41, "random": 99999, "overlap": 2}, "5000"),
    ):
        answer = decide(client, campaign, action="start", **fields)
        assert answer.status_code == 422
        assert says in answer.text and 'value="41"' in answer.text
    assert decide(client, campaign, action="explode").status_code == 422
    assert decide(client, campaign, action="close", round="9" * 30).status_code == 422
    assert not Round.objects.exists()


def test_rounds_are_for_those_who_decide(client: Client, campaign: Campaign) -> None:
    made = rows.start(campaign)
    for role, reads in (("researcher", 200), ("annotator", 403)):
        sign_in(client, factories.member(campaign, role))
        address = f"/c/helpdesk/constraints/{made.constraint_id}/verification/"
        assert client.get(address).status_code == reads
        assert decide(client, campaign, action="close", round=made.pk).status_code == 403
    assert Round.objects.get().state == "open"


def test_rounds_page_queries_do_not_grow(client: Client, campaign: Campaign) -> None:
    sign_in(client, factories.admin_of(campaign))
    counts = []
    for _ in range(3):
        made = rows.start(campaign, overlap=2)
        for turn in rows.take(campaign, factories.member(campaign), wanted=2):
            rows.say(turn)
        actions.close(round=made, by=factories.admin_of(campaign), now=NOW)
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/c/helpdesk/constraints/{made.constraint_id}/verification/")
        counts.append(len(asked))
    assert len(set(counts)) == 1
