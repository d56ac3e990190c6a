"""My judgments: one's own, newest first, to change - and nothing that an annotator must not know."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments import actions as judgments
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue
from annotate.queue.models import Lease
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/work/mine/"
MARK = ViolationDraft(tag_slug="invented-fact", scope="span", severity="major", start=0, end=6, critique="no")


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk")


@pytest.fixture
def ada(client: Client, campaign: Campaign) -> User:
    person = factories.member(campaign, user=factories.user("ada"))
    client.force_login(person)
    return person


def judge(campaign: Campaign, person: User, verdict: str = "nothing_wrong", *, minutes: int = 0) -> Judgment:
    """What the person says of their next output."""
    if not Lease.objects.filter(annotator=person, state="open").exists():
        factories.output(campaign)
    lease = queue.lease_next(campaign=campaign, annotator=person, now=NOW)
    assert lease is not None
    return submit(lease, verdict, minutes=minutes)


def submit(lease: Lease, verdict: str, *, minutes: int = 0) -> Judgment:
    return judgments.submit(
        token=lease.token,
        annotator=lease.annotator,
        verdict=verdict,
        violations=[MARK] if verdict == "rejected" else [],
        idempotency_key=uuid.uuid4(),
        now=NOW + timedelta(minutes=minutes),
    )


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("annotator", 200), ("researcher", 403)]
)
def test_mine_is_for_everybody_who_judges(client: Client, campaign: Campaign, role: str, status: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == status


def test_mine_is_empty_at_first(client: Client, ada: User) -> None:
    assert "No judgments yet" in client.get(PAGE).text


def test_mine_lists_ones_own_newest_first(client: Client, campaign: Campaign, ada: User) -> None:
    first = judge(campaign, ada, "rejected")
    second = judge(campaign, ada, minutes=1)
    other = judge(campaign, factories.member(campaign))
    factories.judgment(factories.output(campaign), annotator=ada, is_current=False, withdrawn_at=NOW)
    page = client.get(PAGE)
    assert [each["judgment"].pk for each in page.context["judgments"]] == [second.pk, first.pk]
    assert first.output.text in page.text
    assert other.output.text not in page.text
    assert "Invented fact" in page.text
    assert first.output.text[:6] in page.text
    token = Lease.objects.get(output=first.output, annotator=ada).token
    assert f"/c/helpdesk/work/{token}/" in page.text
    assert client.get(f"/c/helpdesk/work/{token}/").status_code == 200


def test_mine_counts_changes(client: Client, campaign: Campaign, ada: User) -> None:
    first = judge(campaign, ada, "rejected")
    submit(Lease.objects.get(output=first.output), "nothing_wrong", minutes=1)
    [each] = client.get(PAGE).context["judgments"]
    assert (each["judgment"].verdict, each["changes"]) == ("nothing_wrong", 1)


def test_mine_filters_by_verdict(client: Client, campaign: Campaign, ada: User) -> None:
    judge(campaign, ada, "rejected")
    judge(campaign, ada, "cannot_tell", minutes=1)
    page = client.get(f"{PAGE}?verdict=rejected")
    assert [each["judgment"].verdict for each in page.context["judgments"]] == ["rejected"]
    assert "No judgment of yours is like that" in client.get(f"{PAGE}?verdict=nothing_wrong").text
    assert len(client.get(f"{PAGE}?verdict=x&before=x").context["judgments"]) == 2


def test_mine_pages_by_key_at_a_constant_cost(
    client: Client, campaign: Campaign, ada: User, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("frontend.views.mine.SHOWN", 2)
    made = [judge(campaign, ada, "rejected", minutes=number // 2).pk for number in range(5)]
    seen, address = [], PAGE
    while address:
        with django_assert_max_num_queries(10):
            page = client.get(address)
        seen += [each["judgment"].pk for each in page.context["judgments"]]
        assert str(made[0]) not in address.split("?")[-1].split("before=")[-1].split("-")
        address = page.context["next_url"]
    assert seen == made[::-1]


def test_mine_of_somebody_elses_place_is_the_first_page(client: Client, campaign: Campaign, ada: User) -> None:
    theirs = judge(campaign, factories.member(campaign))
    mine = judge(campaign, ada)
    token = Lease.objects.get(output=theirs.output).token
    for before in (token, uuid.uuid4(), "x"):
        page = client.get(f"{PAGE}?before={before}")
        assert [each["judgment"].pk for each in page.context["judgments"]] == [mine.pk]


def test_mine_tells_neither_gold_nor_model_nor_the_prompt_as_written(
    client: Client, campaign: Campaign, ada: User
) -> None:
    Campaign.objects.update(gold_share=50)
    [gold] = factories.outputs(campaign, "A planted answer.", prompt="I am sure it is so.", is_gold=True)
    lease = queue.lease_output(campaign=campaign, annotator=ada, output_id=gold.pk, now=NOW)
    submit(lease, "rejected")
    page = client.get(PAGE).text
    assert "A planted answer." in page
    for secret in ("I am sure", "secret-model", "gold", "outputs.jsonl"):
        assert secret not in page


def test_mine_keeps_sensitive_texts_covered(client: Client, campaign: Campaign, ada: User) -> None:
    judge(campaign, ada, "rejected")
    assert "Show the text" not in client.get(PAGE).text
    Campaign.objects.update(is_sensitive=True)
    page = client.get(PAGE).text
    assert "Show the text" in page
    assert "<q " not in page
