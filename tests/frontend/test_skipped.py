"""What everybody skipped: reviewers see why, judge it, or set it aside."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotate.accounts.models import AuditEntry, User
from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from annotate.queue import actions
from annotate.queue.models import Lease, QueueItem
from frontend.views import skipped
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/skipped/"


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk")


@pytest.fixture
def ada(campaign: Campaign) -> User:
    return factories.member(campaign, user=factories.user("ada"))


@pytest.fixture
def reviewer(client: Client, campaign: Campaign, ada: User) -> User:
    person = factories.member(campaign, "reviewer", user=factories.user("rita"))
    client.force_login(person)
    return person


def skip_all(campaign: Campaign, person: User, count: int, reason: str = "Not my language") -> list[Output]:
    """Outputs that this annotator, the only one, has skipped."""
    made = [factories.output(campaign) for _ in range(count)]
    for _ in made:
        lease = actions.lease_next(campaign=campaign, annotator=person, now=NOW)
        assert lease is not None
        actions.skip(token=lease.token, annotator=person, reason=reason, now=NOW)
    return made


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("researcher", 403), ("annotator", 403)]
)
def test_skipped_is_for_admins_and_reviewers(client: Client, campaign: Campaign, role: str, status: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == status
    for act in ("judge", "aside"):
        answer = client.post(f"{PAGE}1/{act}/", {"reason": "x"})
        assert answer.status_code == (403 if status == 403 else 404)


def test_skipped_lists_outputs_with_the_reasons(client: Client, campaign: Campaign, ada: User, reviewer: User) -> None:
    [output] = skip_all(campaign, ada, 1, "Too <long>")
    factories.output(campaign, "Nobody was here yet.")
    page = client.get(PAGE).text
    assert output.text in page
    assert "Too &lt;long&gt;" in page
    assert "Nobody was here yet." not in page
    overview = client.get("/c/helpdesk/").text
    assert "1 output</a> skipped by everybody waits" in overview


def test_skipped_says_when_there_is_nothing(client: Client, campaign: Campaign, reviewer: User) -> None:
    assert "Nothing here" in client.get(PAGE).text
    assert "skipped by everybody" not in client.get("/c/helpdesk/").text


def test_judge_leads_to_the_work_page_of_its_lease(
    client: Client, campaign: Campaign, ada: User, reviewer: User
) -> None:
    [output] = skip_all(campaign, ada, 1)
    answer = client.post(f"{PAGE}{output.pk}/judge/")
    lease = Lease.objects.get(annotator=reviewer)
    assert (answer.status_code, answer["Location"]) == (302, f"/c/helpdesk/work/{lease.token}/")
    assert client.get(answer["Location"]).status_code == 200
    assert output.text not in client.get(PAGE).text
    again = client.post(f"{PAGE}{output.pk}/judge/", follow=True)
    assert again.redirect_chain == [(f"/c/helpdesk/work/{lease.token}/", 302)]


def test_judge_of_what_somebody_has_taken_says_so(
    client: Client, campaign: Campaign, ada: User, reviewer: User
) -> None:
    [output] = skip_all(campaign, ada, 1)
    actions.lease_output(campaign=campaign, annotator=factories.admin_of(campaign), output_id=output.pk, now=NOW)
    answer = client.post(f"{PAGE}{output.pk}/judge/", follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Nothing more is wanted" in answer.text


def test_set_aside_asks_for_a_reason_and_is_audited(
    client: Client, campaign: Campaign, ada: User, reviewer: User
) -> None:
    [output] = skip_all(campaign, ada, 1)
    for reason in ("  ", "x" * 201):
        refused = client.post(f"{PAGE}{output.pk}/aside/", {"reason": reason})
        assert refused.status_code == 422
        assert "Say why nobody needs to judge it" in refused.text
    assert QueueItem.objects.get().overlap == 1
    for _ in range(2):
        assert client.post(f"{PAGE}{output.pk}/aside/", {"reason": "It is empty."}).status_code == 302
    entry = AuditEntry.objects.get(verb="set aside")
    assert (entry.actor, entry.detail["reason"], entry.detail["outputs"]) == (reviewer, "It is empty.", [output.pk])
    assert "Nothing here" in client.get(PAGE).text
    progress = client.get("/c/helpdesk/").context["progress"]
    assert (progress.output_count, progress.aside_count) == (0, 1)


def test_skipped_pages_by_key_at_a_constant_cost(
    client: Client, campaign: Campaign, ada: User, reviewer: User, django_assert_max_num_queries: Any
) -> None:
    made = skip_all(campaign, ada, 30)
    with django_assert_max_num_queries(6):
        page = client.get(PAGE)
    shown = [item.pk for item, _ in page.context["rows"]]
    with django_assert_max_num_queries(6):
        older = client.get(page.context["page"].next_url)
    shown += [item.pk for item, _ in older.context["rows"]]
    assert shown == sorted((output.pk for output in made), reverse=True)


def test_count_stops_at_a_hundred(
    campaign: Campaign, ada: User, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_all(campaign, ada, 3)
    assert skipped.count(campaign=campaign) == "3"
    monkeypatch.setattr(skipped, "COUNTED_AT_MOST", 2)
    assert skipped.count(campaign=campaign) == "2+"
