"""What checks found, on the Work and the Verify page without a script: shown to whom it is drawn for, taken or left."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check
from annotate.judgments.models import Judgment
from annotate.queue.models import Lease
from annotate.verification import actions as verification
from tests import factories
from tests.annotate.constraints.assistance import rows
from tests.annotate.constraints.assistance.test_assistance import drawn
from tests.factories import NOW

pytestmark = pytest.mark.django_db
WORK = "/c/helpdesk/work/"


@pytest.fixture
def campaign() -> Campaign:
    return rows.world()


@pytest.fixture
def ada(campaign: Campaign, client: Client) -> User:
    person = drawn(campaign)
    client.force_login(person)
    return person


def post(client: Client, **fields: Any) -> Any:
    lease = Lease.objects.get()
    marked = json.dumps((lease.draft or {}).get("violations", []))
    sent = {"idempotency_key": str(uuid4()), "version": lease.draft_version, "violations": marked, **fields}
    return client.post(f"{WORK}{lease.token}/", sent)


def test_a_suggestion_is_shown_and_nothing_is_filled_in(client: Client, ada: User) -> None:
    page = client.get(WORK).text
    section = page.split('id="suggested"')[1].split("</section>")[0]
    assert " hidden" not in section.split(">")[0]
    assert "1984" in section and "States a number" in section
    assert 'name="violations" value="[]"' in page
    assert 'aria-pressed="true"' not in page.split("work-verdicts")[1].split("</footer>")[0]
    shown = json.loads(page.split('<script id="work-data" type="application/json">')[1].split("</script>")[0])
    assert set(shown["sheet"]["suggestions"][0]) == {
        "tag", "scope", "severity", "start", "end", "statement", "message"
    }  # fmt: skip


def test_taking_one_marks_it_and_leaves_the_rest_to_the_annotator(client: Client, ada: User) -> None:
    client.get(WORK)
    assert post(client, take="0").status_code == 302
    assert not Judgment.objects.filter(annotator=ada).exists(), "taking is no verdict"
    assert post(client, verdict="rejected").status_code == 302
    judgment = Judgment.objects.get(annotator=ada)
    violation = judgment.violations.get()
    assert (judgment.is_assisted, violation.quote, violation.tag.slug) == (True, "1984", "invented-fact")


def test_leaving_it_is_an_assisted_judgment_too(client: Client, ada: User) -> None:
    client.get(WORK)
    assert post(client, verdict="nothing_wrong").status_code == 302
    judgment = Judgment.objects.get(annotator=ada)
    assert (judgment.is_assisted, judgment.violations.count()) == (True, 0)


@pytest.mark.parametrize("number", ["7", "-1", "x", "", "9" * 30])
def test_a_number_that_is_no_suggestion_takes_nothing(client: Client, ada: User, number: str) -> None:
    client.get(WORK)
    post(client, take=number)
    assert not Lease.objects.get().draft


def test_blind_work_sees_nothing_of_it(client: Client, campaign: Campaign) -> None:
    Campaign.objects.update(assisted_share=0)
    client.force_login(factories.member(campaign))
    page = client.get(WORK).text
    assert re.search(r'id="suggested"[^>]* hidden>', page)
    assert "States a number" not in page
    assert post(client, take="0").status_code == 422
    assert not Lease.objects.get().draft


def test_the_script_is_given_the_next_ones_too(client: Client, campaign: Campaign, ada: User) -> None:
    sheet = client.post(f"{WORK}next/", {"besides": []}, content_type="application/json").json()["sheet"]
    assert [each["message"] for each in sheet["suggestions"]]
    body = {"verdict": "nothing_wrong", "violations": [], "key": str(uuid4()), "besides": []}
    factories.output(campaign, rows.TEXT + "?", prompt="When was Bloom released?")
    answer = client.post(f"{WORK}{sheet['lease']}/judgment/", body, content_type="application/json").json()
    assert answer["sheet"] is not None
    lease = Lease.objects.get(token=answer["sheet"]["lease"])
    assert answer["sheet"]["suggestions"] == lease.suggestions


def test_a_question_is_shown_with_what_the_check_found(client: Client, campaign: Campaign, ada: User) -> None:
    made = verification.start(
        constraint=Check.objects.get().constraint,
        by=factories.admin_of(campaign),
        now=NOW,
        tagged=0,
        random=9,
        overlap=1,
    )
    page = client.get("/c/helpdesk/verify/").text
    shown = json.loads(page.split('<script id="verify-data" type="application/json">')[1].split("</script>")[0])
    found = [each["found"] for each in shown["questions"]]
    assert any(found), "90 of 100 are drawn"
    assert all(set(one) == {"quote", "message"} for each in found if each for one in each)
    is_hidden = re.search(r'id="found"[^>]* hidden>', page) is not None
    assert is_hidden == (found[0] is None)
    assert str(made.seed) not in page
