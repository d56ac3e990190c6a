"""What the Work page's script asks for: next, judgment, draft, skip, undo, held, progress."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.judgments.models import Judgment
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows

pytestmark = pytest.mark.django_db
SPAN = {"tag": "invented", "scope": "span", "severity": "major", "start": 0, "end": 4, "critique": "No."}


@pytest.fixture
def campaign() -> Campaign:
    made = rows.campaign()
    rows.outputs(made, *(f"Text {number} of many." for number in range(6)))
    return made


@pytest.fixture
def ada(campaign: Campaign, client: Client) -> User:
    person = rows.person("ada", campaign=campaign)
    client.force_login(person)
    return person


def ask(client: Client, name: str, token: object = None, /, **sent: Any) -> Any:
    url = reverse(f"work-{name}", args=["answers", *([token] if token else [])])
    return client.post(url, json.dumps(sent), content_type="application/json", HTTP_ACCEPT="application/json")


def first(client: Client) -> dict[str, Any]:
    sheet: dict[str, Any] = ask(client, "next").json()["sheet"]
    return sheet


def submit(client: Client, sheet: dict[str, Any], *violations: dict[str, Any], **changes: Any) -> Any:
    sent = {
        "verdict": "rejected" if violations else "nothing_wrong",
        "violations": violations,
        "comment": "",
        **{name: sheet[name] for name in ("key", "revision", "version")},
        **changes,
    }
    return ask(client, "judgment", sheet["lease"], **sent)


def statements(do: Callable[[], Any]) -> int:
    """Count them without savepoints, which are the tests' own: in production an action is a transaction."""
    with CaptureQueriesContext(connection) as captured:
        do()
    return sum("SAVEPOINT" not in query["sql"] for query in captured.captured_queries)


def test_next_is_four_statements_and_a_submit_at_most_eight(client: Client, ada: User, campaign: Campaign) -> None:
    submit(client, first(client), SPAN)
    lease = Lease.objects.get(state="open")
    counts = []
    for more in (0, 60):
        rows.outputs(campaign, *(f"more {number}" for number in range(more)))
        besides = [str(lease.token)]
        asked = statements(partial(ask, client, "next", besides=besides))
        paused = statements(partial(ask, client, "held", renew=besides))
        sheet = first(client)
        both = statements(partial(submit, client, sheet, SPAN, SPAN))
        counts.append((asked, paused, both))
        lease = Lease.objects.get(state="open")
    # Session, person and campaign in one; then two for a lease, one to renew, two to submit and one for the next lease.
    assert counts == [(3, 2, 4), (3, 2, 4)]


def test_next_goes_besides_what_the_page_has_and_never_beyond_two(client: Client, ada: User) -> None:
    shown = first(client)
    assert first(client)["lease"] == shown["lease"]
    ahead = ask(client, "next", besides=[shown["lease"]]).json()["sheet"]
    assert ahead["lease"] != shown["lease"]
    both = [shown["lease"], ahead["lease"]]
    assert ask(client, "next", besides=both).json() == {"sheet": None, "why": "nothing_left"}
    assert Lease.objects.filter(state="open").count() == 2


def test_judgment_stores_and_brings_the_one_after_next(client: Client, ada: User) -> None:
    shown = first(client)
    ahead = ask(client, "next", besides=[shown["lease"]]).json()["sheet"]
    answer = submit(client, shown, SPAN, besides=[ahead["lease"]]).json()
    assert {name: answer["saved"][name] for name in ("lease", "verdict", "violations", "revision")} == {
        "lease": shown["lease"],
        "verdict": "rejected",
        "violations": 1,
        "revision": 1,
    }
    assert answer["sheet"]["lease"] not in (shown["lease"], ahead["lease"])
    violation = Judgment.objects.get().violations.get()
    assert (violation.quote, violation.severity, violation.critique) == ("Text", "major", "No.")


def test_judgment_twice_with_one_key_is_one(client: Client, ada: User) -> None:
    shown = first(client)
    assert submit(client, shown, SPAN).status_code == submit(client, shown, SPAN).status_code == 200
    assert Judgment.objects.count() == 1


def test_judgment_of_two_tabs_alike_is_one_and_otherwise_a_question(client: Client, ada: User) -> None:
    one = first(client)
    two = first(client)
    assert one["lease"] == two["lease"] and one["key"] != two["key"]
    submit(client, one, SPAN)
    assert submit(client, two, {**SPAN, "correction": ""}).status_code == 200
    assert Judgment.objects.count() == 1
    asked = submit(client, two)
    assert asked.status_code == 409
    answer = asked.json()
    assert (answer["kind"], answer["revision"]) == ("judged_elsewhere", 1)
    assert [each["tag"] for each in answer["marked"]["violations"]] == ["invented"]
    assert submit(client, two, force=True, revision=1).json()["saved"]["revision"] == 2
    assert Judgment.objects.get(is_current=True).verdict == "nothing_wrong"


def test_judgment_never_passes_over_marks_made_elsewhere(client: Client, ada: User) -> None:
    one, two = first(client), first(client)
    marked = {"violations": [SPAN], "verdict": "", "comment": "", "version": 0}
    assert ask(client, "draft", one["lease"], key=one["key"], **marked).json()["version"] == 1
    asked = submit(client, two)
    assert (asked.status_code, asked.json()["kind"], asked.json()["version"]) == (409, "changed_elsewhere", 1)
    assert submit(client, one).status_code == 200  # its own draft, an older state of it


def test_judgment_that_breaks_a_rule_says_which_and_stores_nothing(client: Client, ada: User) -> None:
    answer = submit(client, first(client), {**SPAN, "severity": "", "end": 999})
    assert answer.status_code == 422
    assert {(each["index"], each["field"]) for each in answer.json()["problems"]} == {(0, "span"), (0, "severity")}
    assert not Judgment.objects.exists()


def test_judgment_is_stored_when_the_campaign_was_paused_meanwhile(
    client: Client, ada: User, campaign: Campaign
) -> None:
    shown = first(client)
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    answer = submit(client, shown, SPAN).json()
    assert answer["saved"]["revision"] == 1
    assert (answer["sheet"], answer["why"]) == (None, "paused")
    assert ask(client, "next").json() == {"sheet": None, "why": "paused"}


@pytest.mark.parametrize(
    "broken",
    [
        {"violations": "x"},
        {"violations": [{"tag": 1}]},
        {"key": "x"},
        {"revision": "1"},
        {"version": [1]},
        {"besides": ["x"]},
        {"besides": 7},
        {"comment": "\ud800"},
        {"verdict": "fine"},
    ],
)
def test_what_the_page_never_sends_is_refused(client: Client, ada: User, broken: dict[str, Any]) -> None:
    assert submit(client, first(client), **broken).status_code == 422
    assert not Judgment.objects.exists()


def test_draft_of_another_page_is_never_replaced_unasked(client: Client, ada: User) -> None:
    one, two = first(client), first(client)
    empty = {"verdict": "", "comment": "", "version": 0}
    assert ask(client, "draft", one["lease"], key=one["key"], violations=[SPAN], **empty).status_code == 200
    asked = ask(client, "draft", two["lease"], key=two["key"], violations=[], **empty)
    assert asked.status_code == 409
    assert asked.json()["marked"]["violations"][0]["tag"] == "invented"
    forced = ask(client, "draft", two["lease"], key=two["key"], violations=[], force=True, **empty)
    assert forced.json()["version"] == 2


def test_skip_brings_the_next_and_the_reason_is_kept(client: Client, ada: User) -> None:
    shown = first(client)
    answer = ask(client, "skip", shown["lease"], reason="Too long", besides=[]).json()
    assert answer["sheet"]["lease"] != shown["lease"]
    lease = Lease.objects.get(token=shown["lease"])
    assert (lease.state, lease.skip_reason) == ("skipped", "Too long")
    assert QueueItem.objects.get(output=lease.output_id).skip_count == 1


def test_undo_gives_the_marks_back_and_withdraws_the_judgment(client: Client, ada: User) -> None:
    shown = first(client)
    submit(client, shown, SPAN)
    again = ask(client, "undo", shown["lease"], revision=1).json()["sheet"]
    assert again["lease"] == shown["lease"]
    assert again["marked"]["violations"][0]["tag"] == "invented" and again["revision"] == 0
    judgment = Judgment.objects.get()
    assert not judgment.is_current and judgment.withdrawn_at
    item = QueueItem.objects.get(output=judgment.output_id)
    assert (item.taken_count, item.judged_count) == (1, 0)
    assert submit(client, again).json()["saved"]["revision"] == 2
    assert QueueItem.objects.get(output=judgment.output_id).judged_count == 1


def test_undo_after_ten_seconds_is_too_late(client: Client, ada: User) -> None:
    shown = first(client)
    submit(client, shown, SPAN)
    Judgment.objects.update(created_at=clock.now() - timedelta(seconds=13))
    assert ask(client, "undo", shown["lease"], revision=1).status_code == 422
    assert Judgment.objects.get().is_current


def test_held_renews_and_gives_back_only_what_nobody_renewed(client: Client, ada: User) -> None:
    shown = first(client)
    ahead = ask(client, "next", besides=[shown["lease"]]).json()["sheet"]
    Lease.objects.update(expires_at=clock.now())
    stale = {"lease": ahead["lease"], "until": ahead["until"]}
    until = ask(client, "held", renew=[shown["lease"], str(uuid4())], release=[stale]).json()["until"]
    assert list(until) == [shown["lease"]]
    assert Lease.objects.get(token=shown["lease"]).expires_at == datetime.fromisoformat(until[shown["lease"]])
    assert Lease.objects.get(token=ahead["lease"]).state == "open"
    now = Lease.objects.get(token=ahead["lease"]).expires_at.isoformat()
    gone = {"lease": str(uuid4()), "until": now}
    ask(client, "held", release=[gone, {"lease": ahead["lease"], "until": now}])
    assert Lease.objects.get(token=ahead["lease"]).state == "released"


def test_progress_counts_today_and_what_is_left(client: Client, ada: User) -> None:
    submit(client, first(client), SPAN)
    url = reverse("work-progress", args=["answers"])
    assert client.get(url).json() == {"today": 1, "left": 4, "is_more": False}  # one more was leased with the submit


def test_a_prompts_twin_is_shown_and_recorded(client: Client, ada: User, campaign: Campaign) -> None:
    twins = {"masked": {"text": "Is it so?", "messages": []}}
    campaign.prompts.update(twins=twins)
    Campaign.objects.filter(pk=campaign.pk).update(stance="masked")
    shown = first(client)
    assert shown["prompt"] == [{"role": "", "kind": "text", "name": "", "pieces": ["Is it so?"]}]
    submit(client, shown, SPAN)
    assert Judgment.objects.get().prompt_shown == "masked"
    Campaign.objects.filter(pk=campaign.pk).update(stance="flipped")
    submit(client, ask(client, "next").json()["sheet"], SPAN)
    assert set(Judgment.objects.values_list("prompt_shown", flat=True)) == {"masked"}  # leased before the change


def test_tool_calls_and_results_are_blocks(client: Client, ada: User, campaign: Campaign) -> None:
    call = {"function": {"name": "add", "arguments": '{"a": 1}'}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "name": "add", "content": "1"},
        {"role": "user", "content": [{"type": "text", "text": "So?"}]},
    ]
    campaign.prompts.update(messages=messages)
    blocks = [(each["role"], each["kind"], each["name"], each["pieces"]) for each in first(client)["prompt"]]
    assert blocks == [
        ("system", "text", "", ["Be brief."]),
        ("assistant", "call", "add", ['{\n  "a": 1\n}']),
        ("tool", "result", "add", ["1"]),
        ("user", "text", "", ["So?"]),
    ]


def test_no_door_says_where_an_output_comes_from(client: Client, ada: User, campaign: Campaign) -> None:
    campaign.outputs.update(model="secret-model", external_id="secret-id", meta={"checkpoint": "secret"})
    shown = ask(client, "next")
    sheet = shown.json()["sheet"]
    ahead = submit(client, sheet, SPAN)
    for answer in (shown, ahead, ask(client, "undo", sheet["lease"], revision=1), client.get("/c/answers/work/")):
        assert "secret" not in answer.content.decode()
    for token in (sheet["lease"], ahead.json()["sheet"]["lease"]):
        assert UUID(token).version == 4


def test_whose_session_ended_is_told_so(client: Client, ada: User) -> None:
    shown = first(client)
    client.logout()
    answer = submit(client, shown, SPAN)
    assert answer.status_code == 401 and "signed out" in answer.json()["message"]


def test_who_is_deactivated_or_removed_gets_nothing(client: Client, ada: User, campaign: Campaign) -> None:
    shown = first(client)
    campaign.memberships.filter(user=ada).delete()
    assert submit(client, shown, SPAN).status_code == 404
    Membership.objects.create(campaign=campaign, user=ada, role="annotator", created_at=rows.NOW)
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert submit(client, shown, SPAN).status_code == 401
    User.objects.filter(pk=ada.pk).update(is_active=True, password="!changed")  # ends every session of theirs
    assert submit(client, shown, SPAN).status_code == 401
    assert not Judgment.objects.exists()
