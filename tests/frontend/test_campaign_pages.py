"""Tags, people and settings of a campaign: who may, what is kept, what is refused."""

import re
from typing import Any

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns import actions, queries
from annotate.campaigns.models import Campaign, Membership
from annotate.queue.models import QueueItem
from tests import factories
from tests.factories import NOW
from tests.frontend.test_campaign import _rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(client: Client) -> Campaign:
    """Its admin is signed in."""
    made = factories.campaign("helpdesk")
    client.force_login(factories.admin_of(made))
    return made


def _drafts(campaign: Campaign) -> list[Any]:
    return [actions.draft_of(tag) for tag in queries.current_tag_set(campaign=campaign).tags.all()]


ADMIN_ONLY = [
    ("get", "people/"),
    ("get", "settings/"),
    ("get", "tags/edit/"),
    ("post", "tags/edit/"),
    ("post", "settings/"),
    ("post", "settings/state/"),
    ("post", "people/invite/"),
    ("post", "people/1/role/"),
    ("post", "people/1/remove/"),
    ("post", "people/invitations/1/withdraw/"),
]


@pytest.mark.parametrize(("method", "page"), ADMIN_ONLY)
@pytest.mark.parametrize("role", ["annotator", "reviewer", "researcher"])
def test_admin_pages_are_refused_to_other_roles(client: Client, method: str, page: str, role: str) -> None:
    campaign = factories.campaign("helpdesk")
    client.force_login(factories.member(campaign, role))
    response = getattr(client, method)(f"/c/helpdesk/{page}")
    assert response.status_code == 403
    assert f"is {role}; this needs" in response.text


@pytest.mark.parametrize(("method", "page"), ADMIN_ONLY)
def test_admin_pages_do_not_exist_for_outsiders(client: Client, method: str, page: str) -> None:
    factories.campaign("helpdesk")
    client.force_login(factories.admin_of(factories.campaign("own")))
    assert getattr(client, method)(f"/c/helpdesk/{page}").status_code == 404


@pytest.mark.parametrize("role", ["annotator", "reviewer", "researcher"])
def test_tags_are_read_by_every_member(client: Client, role: str) -> None:
    campaign = factories.campaign("helpdesk")
    client.force_login(factories.member(campaign, role))
    page = client.get("/c/helpdesk/tags/").text
    assert "Invented fact" in page
    assert "/tags/edit/" not in page


def test_tags_edit_saves_a_new_version(client: Client, campaign: Campaign) -> None:
    drafts = _drafts(campaign)
    form = client.get("/c/helpdesk/tags/edit/")
    assert len(form.context["rows"]) == len(drafts) + 3
    values = _rows(drafts)
    values["tag_name"][0] = "Made up <b>"
    response = client.post("/c/helpdesk/tags/edit/", values, follow=True)
    assert "Version 2 is in force" in response.text
    assert "Made up &lt;b&gt;" in response.text
    assert "Made up" not in client.get("/c/helpdesk/tags/?version=1").text
    again = client.post("/c/helpdesk/tags/edit/", values, follow=True)
    assert "Nothing was different" in again.text
    assert campaign.tag_sets.count() == 2


def test_tags_edit_refused_says_where_and_keeps_what_was_typed(client: Client, campaign: Campaign) -> None:
    values = _rows(_drafts(campaign))
    values["tag_name"][1] = "New name"
    values["tag_key"][2] = "g"
    response = client.post("/c/helpdesk/tags/edit/", values)
    assert response.status_code == 422
    assert "Tag 3" in response.text
    assert 'value="New name"' in response.text
    assert response.context["rows"][2].errors["key"]
    assert campaign.tag_sets.count() == 1


@pytest.mark.parametrize(("version", "status"), [("1", 200), ("9", 404), ("x", 422), ("1 or 1=1", 422)])
def test_tags_version_from_the_address(client: Client, campaign: Campaign, version: str, status: int) -> None:
    assert client.get("/c/helpdesk/tags/", {"version": version}).status_code == status


def test_people_invite_shows_the_link_once(client: Client, campaign: Campaign) -> None:
    response = client.post("/c/helpdesk/people/invite/", {"name": "Bo", "role": "reviewer"})
    found = re.search(r"http://testserver/invite/([\w-]{43})/", response.text)
    assert found
    assert "no-store" in response["Cache-Control"]
    page = client.get("/c/helpdesk/people/").text
    assert found.group(1) not in page
    assert "Bo, reviewer" in page
    invitation = campaign.invitations.get().invitation_id
    client.post(f"/c/helpdesk/people/invitations/{invitation}/withdraw/")
    assert "Bo, reviewer" not in client.get("/c/helpdesk/people/").text
    assert Client().get(f"/invite/{found.group(1)}/").status_code == 410


def test_people_invite_unknown_role_is_refused(client: Client, campaign: Campaign) -> None:
    response = client.post("/c/helpdesk/people/invite/", {"name": "Bo", "role": "owner"})
    assert response.status_code == 422
    assert 'value="Bo"' in response.text
    assert not campaign.invitations.exists()


def test_people_change_role_and_remove(client: Client, campaign: Campaign) -> None:
    bo = factories.member(campaign)
    client.post(f"/c/helpdesk/people/{bo.pk}/role/", {"role": "researcher"})
    assert queries.role_of(user=bo, campaign=campaign) == "researcher"
    client.post(f"/c/helpdesk/people/{bo.pk}/remove/")
    assert queries.role_of(user=bo, campaign=campaign) is None


def test_people_keep_an_admin(client: Client, campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    for page, values in ((f"{admin.pk}/role/", {"role": "annotator"}), (f"{admin.pk}/remove/", {})):
        response = client.post(f"/c/helpdesk/people/{page}", values)
        assert response.status_code == 422
        assert "only admin" in response.text
    assert queries.role_of(user=admin, campaign=campaign) == "admin"


def test_people_of_another_campaign_are_out_of_reach(client: Client, campaign: Campaign) -> None:
    other = factories.campaign("other")
    eve = factories.member(other, "annotator")
    actions.invite(campaign=other, by=factories.admin_of(other), name="", role="annotator", now=NOW)
    invitation = other.invitations.get().invitation_id
    for page in (f"{eve.pk}/role/", f"{eve.pk}/remove/", f"invitations/{invitation}/withdraw/"):
        assert client.post(f"/c/helpdesk/people/{page}", {"role": "admin"}).status_code == 404
    assert Membership.objects.get(user=eve).role == "annotator"


def test_people_lists_programs_apart(client: Client, campaign: Campaign) -> None:
    script = factories.user("checker", kind="script", name="Truth checker")
    factories.judgment(factories.output(campaign), annotator=script)
    response = client.get("/c/helpdesk/people/")
    assert [each["annotator__name"] for each in response.context["programs"]] == ["Truth checker"]
    assert script not in [member.user for member in response.context["members"]]
    assert "Not people" in response.text


def test_people_queries_do_not_grow(client: Client, campaign: Campaign, django_assert_max_num_queries: Any) -> None:
    counts = []
    for _ in range(2):
        factories.member(campaign)
        actions.invite(campaign=campaign, by=factories.admin_of(campaign), name="", role="annotator", now=NOW)
        with django_assert_max_num_queries(6) as seen:
            client.get("/c/helpdesk/people/")
        counts.append(len(seen))
    assert counts[0] == counts[1]


def _settings(**changed: str) -> dict[str, str]:
    texts = {"name": "Helpdesk", "description": "", "guidelines": ""}
    rules = {"overlap": "1", "lease_minutes": "60", "order": "depth", "gold_share": "0"}
    rules |= {"assisted_share": "0", "stance": "as_written"}
    return {**texts, **rules, **changed}


def test_settings_of_handing_out_and_showing(client: Client, campaign: Campaign) -> None:
    sent = _settings(order="breadth", gold_share="10", stance="flipped", is_sensitive="1")
    assert client.post("/c/helpdesk/settings/", sent).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.order, campaign.gold_share, campaign.stance, campaign.is_sensitive) == (
        "breadth",
        10,
        "flipped",
        True,
    )
    page = client.get("/c/helpdesk/settings/").text
    assert re.search(r'value="breadth"\s+checked', page)
    assert re.search(r'value="flipped"\s+checked', page)
    client.post("/c/helpdesk/settings/", _settings())
    campaign.refresh_from_db()
    assert not campaign.is_sensitive


def test_settings_overlap_reaches_the_queue(client: Client, campaign: Campaign) -> None:
    factories.judgment(factories.output(campaign))
    response = client.post("/c/helpdesk/settings/", _settings(overlap="3", guidelines="Be\r\nstrict"))
    assert response.status_code == 302
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.guidelines) == (3, "Be\nstrict")
    assert QueueItem.objects.get().overlap == 3


def test_settings_and_queue_change_together_or_not_at_all(
    client: Client, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise actions.CampaignRefused("The queue says no.")

    monkeypatch.setattr("frontend.views.campaign_settings.queue.set_overlap", fail)
    response = client.post("/c/helpdesk/settings/", _settings(overlap="3", name="Other"))
    assert response.status_code == 422
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.name) == (1, "Helpdesk")


@pytest.mark.parametrize(
    "changed",
    [
        {"overlap": "0"},
        {"overlap": "x"},
        {"lease_minutes": "99999"},
        {"name": ""},
        {"overlap": "9" * 30},
        {"gold_share": "51"},
        {"assisted_share": "91"},
        {"gold_share": "a few"},
        {"order": "random"},
        {"stance": ""},
    ],
)
def test_settings_refused_keep_what_was_typed(client: Client, campaign: Campaign, changed: dict[str, str]) -> None:
    response = client.post("/c/helpdesk/settings/", _settings(guidelines="Long text", **changed))
    assert response.status_code == 422
    assert "Long text" in response.text
    campaign.refresh_from_db()
    assert (campaign.overlap, campaign.lease_minutes, campaign.name) == (1, 60, "Helpdesk")


def test_settings_state(client: Client, campaign: Campaign) -> None:
    for state, said in (("paused", "Nobody gets another output"), ("closed", "closed"), ("active", "open")):
        response = client.post("/c/helpdesk/settings/state/", {"state": state}, follow=True)
        assert said in response.text
        campaign.refresh_from_db()
        assert campaign.state == state
    assert client.post("/c/helpdesk/settings/state/", {"state": "gone"}).status_code == 422


def test_superuser_is_admin_everywhere(client: Client) -> None:
    factories.campaign("helpdesk")
    root: User = factories.superuser()
    client.force_login(root)
    assert client.get("/c/helpdesk/settings/").status_code == 200
