"""How far the grouping is, on the Constraints page."""

from __future__ import annotations

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.grouping import actions as grouping
from annotate.constraints.grouping.models import Shard
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

URL = "/c/helpdesk/constraints/"


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    made = factories.campaign("helpdesk", by=admin)
    for tag in ("invented-fact", "ignores-instruction"):
        for number in range(3):
            said = [{"tag": tag, "critique": f"says a date the source does not give: {number}"}]
            factories.judgment(factories.output(made), violations=said)
    return made


def seen_by(user: User, *, htmx: bool = False) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(URL, headers={"HX-Request": "true"} if htmx else {}).content.decode()


def test_progress_is_told_and_asked_for_again_while_it_moves(campaign: Campaign, admin: User) -> None:
    first, second = grouping.open_regrouping(campaign_id=campaign.pk, now=NOW)
    for _ in range(3):
        grouping.place_portion(shard_id=first, now=NOW)
    page = seen_by(admin)
    assert "1 of 2 tags done, 3 of 6 violations placed" in page
    assert 'hx-trigger="every 2s"' in page
    assert "Look again" in page
    for _ in range(3):
        grouping.place_portion(shard_id=second, now=NOW)
    part = seen_by(admin, htmx=True)
    assert "6 violations placed" in part
    assert "<h1>" not in part
    assert "every 2s" not in part
    assert "every 2s" not in seen_by(admin)


def test_what_was_asked_for_is_told(campaign: Campaign, admin: User) -> None:
    actions.regroup(campaign_id=campaign.pk, now=NOW)
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    page = client.post(URL, {"action": "regroup"}, follow=True).content.decode()
    assert "Everything unsettled is grouped anew in some seconds" in page
    grouping.open_regrouping(campaign_id=campaign.pk, now=NOW)
    assert "Grouping everything unsettled anew, as Ada asked: 0 of 2 tags done" in seen_by(admin)


def test_a_tag_that_failed_is_told_with_what_to_do(campaign: Campaign, admin: User) -> None:
    first, _ = grouping.open_regrouping(campaign_id=campaign.pk, now=NOW)
    Shard.objects.filter(pk=first).update(attempt_count=grouping.ATTEMPTS)
    actions.regroup(campaign_id=campaign.pk, now=NOW)
    assert "could not be grouped to its end. It stopped 5 times" in seen_by(admin)
    reader = factories.member(campaign, "researcher")
    assert "could not be grouped" in seen_by(reader)
    assert "Try again" not in seen_by(reader)
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    client.post(URL, {"action": "try grouping"})
    actions.regroup(campaign_id=campaign.pk, now=NOW)
    assert "could not be grouped" not in seen_by(admin)
    assert client.post(URL, {"action": "try grouping"}).status_code == 422
