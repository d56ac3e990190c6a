"""Quality: who found how many of the known errors, for admins and reviewers only."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake.models import Output
from tests import factories

pytestmark = pytest.mark.django_db
PAGE = "/c/helpdesk/quality/"


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = factories.campaign("helpdesk", overlap=5, gold_share=10)
    client.force_login(factories.admin_of(made))
    return made


def plant(campaign: Campaign, *, is_wrong: bool = True) -> Output:
    """A gold output with its known answer: an invented year, or nothing wrong."""
    [output] = factories.outputs(campaign, "Bloom came out in 1918.", is_gold=True)
    key = User.objects.filter(username="key").first() or factories.user("key", kind="external")
    factories.judgment(
        output, "rejected" if is_wrong else "nothing_wrong", annotator=key, violations=[{"start": 18, "end": 22}]
    )
    return output


@pytest.mark.parametrize(
    ("role", "status"), [("admin", 200), ("reviewer", 200), ("researcher", 403), ("annotator", 403)]
)
def test_quality_is_for_admins_and_reviewers(client: Client, campaign: Campaign, role: str, status: int) -> None:
    client.force_login(factories.member(campaign, role))
    assert client.get(PAGE).status_code == status


def test_quality_says_how_to_plant_gold(client: Client, campaign: Campaign) -> None:
    page = client.get(PAGE).text
    assert "No gold yet" in page
    assert "/c/helpdesk/import/?purpose=gold" in page
    assert 'value="gold"\n                   checked' in client.get("/c/helpdesk/import/?purpose=gold").text


def test_quality_of_gold_that_nobody_judged(client: Client, campaign: Campaign) -> None:
    plant(campaign)
    page = client.get(PAGE).text
    assert "Nobody has judged gold yet" in page
    assert "10 of 100" in page
    Campaign.objects.update(gold_share=0)
    assert "its share is 0" in client.get(PAGE).text


def test_quality_shows_what_each_annotator_found(client: Client, campaign: Campaign) -> None:
    wrong, fine = plant(campaign), plant(campaign, is_wrong=False)
    ada, ben = factories.user("ada", name="Ada <b>"), factories.user("ben")
    factories.judgment(wrong, annotator=ada, violations=[{"start": 18, "end": 20}])
    factories.judgment(fine, "nothing_wrong", annotator=ada)
    factories.judgment(fine, annotator=ben)
    factories.judgment(wrong, "cannot_tell", annotator=ben)
    response = client.get(PAGE)
    assert [row["annotator"].username for row in response.context["rows"]] == ["ben", "ada"]
    labels = [label for _, label, _ in response.context["columns"]]
    cells = {
        row["annotator"].username: dict(zip(labels, row["cells"], strict=True)) for row in response.context["rows"]
    }
    assert (cells["ada"]["Errors found"].value, cells["ada"]["False alarms"].value) == ("100 %", "0 %")
    assert (cells["ada"]["Marked"].value, cells["ada"]["Marked rightly"].value) == ("50 %", "100 %")
    assert (cells["ben"]["Errors found"], cells["ben"]["False alarms"].value) == (None, "100 %")
    assert "1 cannot tell" in response.text
    assert "Ada &lt;b&gt;" in response.text
    assert "key" not in [row["annotator"].username for row in response.context["rows"]]


def test_quality_costs_the_same_however_many(
    client: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    def judged(annotators: int) -> None:
        output = plant(campaign)
        for _ in range(annotators):
            factories.judgment(output)

    judged(2)
    client.get(PAGE)
    with django_assert_max_num_queries(6):
        client.get(PAGE)
    judged(30)
    with django_assert_max_num_queries(6):
        assert len(client.get(PAGE).context["rows"]) == 25


def test_outputs_can_be_filtered_to_gold(client: Client, campaign: Campaign) -> None:
    gold, normal = plant(campaign), factories.output(campaign, batch=factories.batch(campaign))
    page = client.get("/c/helpdesk/outputs/?purpose=gold")
    assert [output for output, _ in page.context["tallies"]] == [gold]
    assert '<span class="badge">gold</span>' in page.text
    assert [output for output, _ in client.get("/c/helpdesk/outputs/?purpose=annotate").context["tallies"]] == [normal]
    assert len(client.get("/c/helpdesk/outputs/?purpose=x").context["tallies"]) == 2
    assert "This is gold" in client.get(f"/c/helpdesk/outputs/{gold.pk}/").text


def test_gold_is_in_no_count_of_the_overview(client: Client, campaign: Campaign) -> None:
    gold = plant(campaign)
    me = factories.admin_of(campaign)
    factories.judgment(gold, annotator=me)
    factories.output(campaign, batch=factories.batch(campaign))
    context = client.get("/c/helpdesk/").context
    assert (context["progress"].output_count, context["progress"].done_count) == (1, 0)
    assert [share.count for share in context["verdicts"]] == [0, 0, 0]
    assert list(context["tags"]) == list(context["annotators"]) == []
    assert not context["steps"][1].is_done
    assert context["my_count"] == 1  # whoever counts their own work finds no difference


@pytest.mark.parametrize("page", ["", "outputs/", "work/", "work/mine/"])
def test_annotators_never_read_of_gold(client: Client, campaign: Campaign, page: str) -> None:
    annotator = factories.member(campaign)
    factories.judgment(plant(campaign), annotator=annotator)
    plant(campaign)
    client.force_login(annotator)
    text = client.get(f"/c/helpdesk/{page}").text.lower()
    assert "gold" not in text.replace("golden", "")
    assert "quality" not in text
