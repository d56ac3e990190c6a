"""The Work page without a script: what it shows, what it takes, and what it never says."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Membership
from annotate.judgments.models import Judgment
from annotate.queue.models import Lease, QueueItem
from tests.annotate.queue import rows

pytestmark = pytest.mark.django_db
SHEET = {
    "lease",
    "until",
    "key",
    "revision",
    "version",
    "marked",
    "prompt",
    "output",
    "length",
    "language",
    "suggestions",
}
TEXT = "नमस्ते 👩‍🚀, he was born in 1985."


@pytest.fixture
def campaign() -> Campaign:
    made = rows.campaign()
    rows.outputs(made, TEXT)
    return made


@pytest.fixture
def ada(campaign: Campaign, client: Client) -> User:
    person = rows.person("ada", campaign=campaign)
    client.force_login(person)
    return person


def page(client: Client) -> Any:
    return client.get("/c/answers/work/")


def address(name: str = "work-output") -> str:
    return reverse(name, args=["answers", Lease.objects.get().token])


def hidden(response: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', response.content.decode())
    assert found
    return found.group(1)


def send(client: Client, **fields: Any) -> HttpResponse:
    """Post the plain form as it stands on the page, with `fields` typed in."""
    shown = page(client)
    values = {
        "idempotency_key": hidden(shown, "idempotency_key"),
        "version": hidden(shown, "version"),
        "violations": "[]",
    }
    return client.post(address(), {**values, "verdict": "rejected", **fields})  # type: ignore[return-value]


def post(client: Client, url: str, **sent: Any) -> Any:
    """Ask a door of the page's script."""
    return client.post(url, json.dumps(sent), content_type="application/json", HTTP_ACCEPT="application/json")


def test_page_shows_the_output_and_leases_it(client: Client, ada: User) -> None:
    response = page(client)
    assert response.status_code == 200
    content = response.content.decode()
    assert TEXT in content and "Who was it?" in content and "invented fact" in content
    assert "0 today" in content and "1 left" in content
    assert response["Cache-Control"].startswith("max-age=0")
    page(client)
    assert Lease.objects.count() == 1


def test_page_never_says_where_the_output_comes_from(client: Client, ada: User, campaign: Campaign) -> None:
    other = rows.person("bo", campaign=campaign)
    output = campaign.outputs.get()
    output.meta = {"temperature": 0.7, "checkpoint": "secret-checkpoint"}
    output.external_id = "secret-id-77"
    output.save()
    tag_set = campaign.tag_sets.get()
    Judgment.objects.create(
        campaign=campaign,
        output=output,
        annotator=other,
        tag_set=tag_set,
        verdict="rejected",
        comment="secret opinion",
        created_at=rows.NOW,
    )
    page(client)
    client.post(address("work-draft"), json.dumps({"violations": [], "version": 0}), content_type="application/json")
    for response in (page(client), client.get(address())):
        content = response.content.decode()
        assert "secret" not in content
        assert f"/{output.pk}/" not in content
        data = json.loads(re.search(r'id="work-data" type="application/json">(.*?)</script>', content).group(1))  # type: ignore[union-attr]
        assert set(data) == {"tags", "sheet", "progress", "preferences", "is_sensitive", "can_undo", "urls"}
        assert set(data["sheet"]) == SHEET
        assert data["sheet"]["length"] == len(TEXT)


def test_submit_without_a_script_stores_a_violation(client: Client, ada: User) -> None:
    response = send(
        client,
        tag="invented",
        scope="span",
        quote="1985",
        severity="major",
        critique="It was\r\n1986",
        correction="1986",
    )
    assert response.status_code == 302
    violation = Judgment.objects.get().violations.get()
    start = TEXT.index("1985")
    assert (violation.start, violation.end, violation.quote) == (start, start + 4, "1985")
    assert (violation.critique, violation.correction) == ("It was\n1986", "1986")
    followed = client.get(response["Location"]).content.decode()
    assert "Saved: rejected, 1 violation." in followed
    shown = re.sub(r"<[^>]+>", "", re.sub(r"<section[^>]* hidden>.*?</section>", "", followed, flags=re.DOTALL))
    assert "Nothing left to judge" in shown and "You judged 1 today" in shown


def test_submit_with_numbers_instead_of_words(client: Client, ada: User) -> None:
    send(client, tag="invented", scope="span", start="0", end="6", severity="minor")
    assert Judgment.objects.get().violations.get().quote == TEXT[0:6]


def test_submit_twice_equals_once(client: Client, ada: User) -> None:
    shown = page(client)
    values = {"idempotency_key": hidden(shown, "idempotency_key"), "violations": "[]", "verdict": "nothing_wrong"}
    for _ in range(2):
        assert client.post(address(), values).status_code == 302
    assert Judgment.objects.count() == 1


def test_submit_refused_keeps_what_was_typed(client: Client, ada: User) -> None:
    response = send(client, tag="invented", scope="span", quote="not there", severity="major", critique="so wrong")
    assert response.status_code == 422
    content = response.content.decode()
    assert "These words are not in the output." in content
    assert "not there" in content and "so wrong" in content and '<option value="invented" selected>' in content
    assert not Judgment.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Mark at least one violation"),
        ({"tag": "invented", "scope": "whole"}, "how severe"),
        ({"tag": "invented", "scope": "span", "severity": "major"}, "marked words are missing"),
        ({"tag": "invented", "scope": "span", "severity": "major", "quote": "n"}, "more than once"),
        ({"tag": "invented", "scope": "span", "severity": "major", "start": "1", "end": "x"}, "whole numbers"),
        ({"tag": "gone", "scope": "whole", "severity": "major"}, "tag set"),
        ({"verdict": "nothing_wrong", "tag": "invented", "scope": "whole", "severity": "major"}, "without violations"),
        ({"verdict": "great"}, "Choose what you think"),
    ],
)
def test_submit_says_what_is_wrong(client: Client, ada: User, fields: dict[str, str], said: str) -> None:
    response = send(client, **fields)
    assert response.status_code == 422
    assert said in response.content.decode()


@pytest.mark.parametrize("broken", [{"violations": "[{"}, {"violations": '{"a": 1}'}, {"idempotency_key": "x"}])
def test_a_damaged_form_is_refused(client: Client, ada: User, broken: dict[str, str]) -> None:
    assert send(client, **broken).status_code == 422


def test_add_and_remove_without_a_script(client: Client, ada: User) -> None:
    send(client, tag="invented", scope="span", quote="1985", severity="major", add="1")
    send_again = page(client)
    marked = json.loads(hidden(send_again, "violations").replace("&quot;", '"'))
    assert len(marked) == 1 and "Remove" in send_again.content.decode()
    send(client, violations=json.dumps(marked), tag="no-span", scope="whole", add="1")
    (kept,) = Lease.objects.values_list("draft__violations", flat=True)
    assert [each["tag"] for each in kept] == ["invented", "no-span"]
    send(client, violations=json.dumps(kept), remove="0")
    (kept,) = Lease.objects.values_list("draft__violations", flat=True)
    assert [each["tag"] for each in kept] == ["no-span"]
    assert not Judgment.objects.exists()


def test_what_was_submitted_can_be_changed(client: Client, ada: User) -> None:
    send(client, tag="invented", scope="span", quote="1985", severity="major")
    shown = client.get(address())
    assert "You have judged this output already" in shown.content.decode()
    assert json.loads(hidden(shown, "violations").replace("&quot;", '"'))[0]["tag"] == "invented"
    client.post(address(), {"idempotency_key": str(uuid4()), "violations": "[]", "verdict": "cannot_tell"})
    current = Judgment.objects.get(is_current=True)
    assert (current.verdict, current.revision) == ("cannot_tell", 2)
    followed = client.get(f"/c/answers/work/?after={Lease.objects.get().token}")
    assert "in place of your earlier judgment" in followed.content.decode()


def test_draft_is_kept_and_a_stale_one_refused(client: Client, ada: User) -> None:
    page(client)

    def save(version: object, violations: object = ()) -> Any:
        body = json.dumps({"version": version, "violations": violations, "comment": "hm"})
        return client.post(address("work-draft"), body, content_type="application/json", HTTP_ACCEPT="application/json")

    marked = [{"tag": "invented", "scope": "whole"}]
    assert save(0, marked).json()["version"] == 1
    stale = save(0)
    assert stale.status_code == 409
    assert stale.json()["version"] == 1 and "another tab" in stale.json()["message"]
    assert save(1, "nonsense").status_code == 422
    assert save("x", []).status_code == 422
    shown = page(client)
    assert hidden(shown, "version") == "1"
    assert "invented" in hidden(shown, "violations") and ">hm</textarea>" in shown.content.decode()


def test_skip_goes_on_to_the_next(client: Client, ada: User) -> None:
    page(client)
    response = client.post(address("work-skip"), {"reason": "", "reason_text": "torn"})
    assert response.status_code == 302
    assert Lease.objects.get().skip_reason == "torn"
    assert QueueItem.objects.get().taken_count == 0
    assert "Nothing left to judge" in page(client).content.decode()


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_campaign_that_hands_out_nothing_says_so(client: Client, ada: User, campaign: Campaign, state: str) -> None:
    campaign.state = state
    campaign.save()
    response = page(client)
    assert response.status_code == 200
    assert f"This campaign is {state}" in response.content.decode()


def test_who_may_not(client: Client, campaign: Campaign, ada: User) -> None:
    page(client)
    urls = [address(), address("work-skip")]
    asked = [address(f"work-{name}") for name in ("draft", "judgment", "undo")]
    bo = rows.person("bo", campaign=campaign)
    researcher = rows.person("rae", campaign=campaign, role="researcher")
    for person, status in ((bo, 404), (rows.person("eve"), 404), (researcher, 403)):
        client.force_login(person)
        for url in urls:
            assert client.post(url, {"idempotency_key": str(uuid4())}).status_code == status
        for url in asked:
            assert post(client, url, key=str(uuid4()), violations=[], verdict="cannot_tell").status_code == status
        for name in ("output", "rendered"):
            assert client.get(address(f"work-{name}")).status_code == status
    client.logout()
    assert page(client).status_code == 302
    assert not Judgment.objects.exists()


def test_a_token_opens_nothing_in_another_campaign(client: Client, ada: User) -> None:
    page(client)
    other = rows.campaign("other")
    Membership.objects.create(campaign=other, user=ada, role="annotator", created_at=rows.NOW)
    assert client.get(reverse("work-output", args=["other", Lease.objects.get().token])).status_code == 404


def test_statements_do_not_grow_with_the_queue(client: Client, ada: User, campaign: Campaign) -> None:
    counts = []
    for size in (0, 60):
        rows.outputs(campaign, *(f"text {number}" for number in range(size)))
        page(client)  # the lease is there
        with CaptureQueriesContext(connection) as captured:
            page(client)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 16


def test_hostile_text_is_shown_as_text(client: Client) -> None:
    hostile = "<script>alert(1)</script><b hx-get='/x'>\u202egnp.exe\u200b</b>&amp;\"'"
    campaign = rows.campaign("hostile")
    rows.outputs(campaign, hostile, prompt="<img src=x onerror=alert(1)>")
    client.force_login(rows.person("ada", campaign=campaign))
    content = client.get("/c/hostile/work/").content.decode()
    assert "<script>alert" not in content and "<b hx-get" not in content and "<img src=x" not in content
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in content
    assert '<span class="hidden-character" data-name="RLO">\u202e</span>' in content
    assert '<span class="hidden-character" data-name="ZWSP">\u200b</span>' in content
