"""Home, a new campaign, and the overview."""

from typing import Any

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns import actions, queries, tags
from annotate.campaigns.models import Campaign
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    user = factories.superuser("ada")
    client.force_login(user)
    return user


def _rows(drafts: Any = tags.STARTING_SET) -> dict[str, list[str]]:
    columns = ("name", "slug", "kind", "key", "severity_rule", "span_rule", "description", "example")
    return {f"tag_{column}": [getattr(draft, column) for draft in drafts] for column in columns}


def test_home_of_a_new_admin_says_what_to_do(client: Client, ada: User) -> None:
    page = client.get("/").text
    assert 'href="/campaigns/new/"' in page
    assert 'href="/demo/"' in page


def test_home_of_somebody_without_a_campaign_says_whom_to_ask(client: Client) -> None:
    client.force_login(factories.user())
    page = client.get("/").text
    assert "invitation link" in page
    assert "/campaigns/new/" not in page


def test_home_shows_ones_own_with_progress_and_work(client: Client) -> None:
    mine, other = factories.campaign(overlap=2), factories.campaign()
    client.force_login(factories.member(mine))
    first, second = factories.output(mine), factories.output(mine)
    for output in (first, first, second):
        factories.judgment(output)
    page = client.get("/").text
    assert "1 of 2 judged" in page
    assert f'href="/c/{mine.slug}/work/"' in page
    assert other.name not in page


def test_home_queries_do_not_grow_with_campaigns(client: Client, ada: User, django_assert_num_queries: Any) -> None:
    counts = []
    for _ in range(2):
        factories.output(factories.campaign(by=ada))
        with django_assert_num_queries(5) as seen:
            client.get("/")
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_new_campaign_is_for_admins_of_the_server(client: Client) -> None:
    client.force_login(factories.user())
    assert client.get("/campaigns/new/").status_code == 403
    assert client.post("/campaigns/new/", {"name": "x", "overlap": "1", **_rows()}).status_code == 403
    assert not Campaign.objects.exists()


def test_new_campaign_starts_with_a_sensible_tag_set(client: Client, ada: User) -> None:
    page = client.get("/campaigns/new/").text
    for draft in tags.STARTING_SET:
        assert f'value="{draft.name}"' in page
    response = client.post("/campaigns/new/", {"name": "Helpdesk v3", "slug": "", "overlap": "2", **_rows()})
    assert response["Location"] == "/c/helpdesk-v3/"
    campaign = Campaign.objects.get()
    assert (campaign.overlap, queries.role_of(user=ada, campaign=campaign)) == (2, "admin")
    assert queries.current_tag_set(campaign=campaign).tags.count() == len(tags.STARTING_SET)


def test_new_campaign_leaves_out_rows_without_a_name(client: Client, ada: User) -> None:
    drafts = [tags.TagDraft(name="A"), tags.TagDraft(name="", description="left over"), tags.TagDraft(name="B")]
    client.post("/campaigns/new/", {"name": "x", "slug": "", "overlap": "1", **_rows(drafts)})
    found = queries.current_tag_set(campaign=Campaign.objects.get()).tags.all()
    assert [(tag.name, tag.key) for tag in found] == [("A", "1"), ("B", "2")]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "Give the campaign a name"),
        ({"slug": "taken"}, "already a campaign"),
        ({"overlap": "many"}, "not a whole number"),
        ({"overlap": "0"}, "Overlap"),
        ({"tag_key": ["g"] * 7}, "on the Work page it is “nothing wrong”"),
        ({"tag_key": ["1"] * 7}, "cannot be the key of both “"),
        ({"tag_kind": ["taste"] * 7}, "not one of factual"),
    ],
)
def test_new_campaign_refused_keeps_what_was_typed(client: Client, ada: User, typed: dict[str, Any], said: str) -> None:
    factories.campaign("taken")
    values = {"name": "Mine", "slug": "", "overlap": "1", "guidelines": "<script>alert(1)", **_rows(), **typed}
    response = client.post("/campaigns/new/", values)
    assert response.status_code == 422
    assert said in response.text
    assert "&lt;script&gt;alert(1)" in response.text
    assert 'value="Invented fact"' in response.text
    assert Campaign.objects.count() == 1


def test_overview_of_an_empty_campaign_says_what_comes_next(client: Client, ada: User) -> None:
    campaign = factories.campaign(by=ada)
    page = client.get(f"/c/{campaign.slug}/").text
    assert "No outputs yet" in page
    assert "Import outputs" in page


def test_overview_counts(client: Client, ada: User) -> None:
    campaign = factories.campaign(by=ada)
    script = factories.user("checker", kind="script", name="Truth checker")
    outputs = [factories.output(campaign) for _ in range(4)]
    factories.judgment(outputs[0], annotator=ada, violations=[{"severity": "critical"}])
    factories.judgment(outputs[1], "nothing_wrong", annotator=ada)
    factories.judgment(outputs[2], annotator=script)
    page = client.get(f"/c/{campaign.slug}/")
    assert (page.context["progress"].done_count, page.context["progress"].left_count) == (3, 1)
    assert [(each.name, each.count) for each in page.context["verdicts"]] == [
        ("rejected", 1),
        ("nothing_wrong", 1),
        ("cannot_tell", 0),
    ]
    assert [(tag["name"], tag["count"], tag["critical"]) for tag in page.context["tags"]] == [("Invented fact", 1, 1)]
    assert [(step.is_done, step.is_next) for step in page.context["steps"]] == [
        (True, False),
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]
    assert "Truth checker" in page.text
    assert ">script<" in page.text


def test_overview_does_not_mix_people_with_programs(client: Client, ada: User) -> None:
    campaign = factories.campaign(by=ada, overlap=3)
    output = factories.output(campaign)
    factories.judgment(output, annotator=factories.user("checker", kind="script"))
    factories.judgment(output, annotator=factories.user("judge", kind="model"))
    page = client.get(f"/c/{campaign.slug}/")
    assert [each.count for each in page.context["verdicts"]] == [2, 0, 0]
    assert "Verdicts of programs" in page.text
    factories.judgment(output, "nothing_wrong", annotator=ada)
    page = client.get(f"/c/{campaign.slug}/")
    assert [each.count for each in page.context["verdicts"]] == [0, 1, 0]
    assert "of programs" not in page.text
    assert len(page.context["annotators"]) == 3


def test_overview_of_an_annotator_is_blind(client: Client) -> None:
    campaign = factories.campaign(guidelines="Reject what is <not> so.")
    client.force_login(factories.member(campaign, "annotator"))
    factories.judgment(factories.output(campaign, model="secret-model"), annotator=factories.user("somebody"))
    page = client.get(f"/c/{campaign.slug}/")
    assert "Reject what is &lt;not&gt; so." in page.text
    for hidden in ("secret-model", "Somebody", "outputs.jsonl", "Who judged", "/people/", "/settings/", "/runs/"):
        assert hidden not in page.text
    assert not {"annotators", "verdicts", "tags", "batches"} & page.context.keys()


def test_overview_queries_do_not_grow(client: Client, ada: User, django_assert_max_num_queries: Any) -> None:
    campaign = factories.campaign(by=ada)
    for _ in range(2):
        for _ in range(3):
            factories.judgment(factories.output(campaign))
        with django_assert_max_num_queries(23):
            assert client.get(f"/c/{campaign.slug}/").status_code == 200


def test_overview_of_a_paused_campaign_offers_no_work(client: Client, ada: User) -> None:
    campaign = factories.campaign(by=ada)
    factories.output(campaign)
    actions.set_state(campaign=campaign, by=ada, state="paused", now=NOW)
    page = client.get(f"/c/{campaign.slug}/").text
    assert "The campaign is paused" in page
    assert f'class="button work-button" href="/c/{campaign.slug}/work/"' not in page
