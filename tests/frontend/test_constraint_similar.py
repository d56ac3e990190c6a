"""Similar constraints side by side, and undo on the pages where constraints are reviewed. No script needed."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import acts
from annotate.constraints.merging import actions as merging_actions
from annotate.constraints.models import Act, Constraint, MergeProposal
from tests import factories
from tests.annotate.constraints import rows
from tests.factories import NOW

pytestmark = pytest.mark.django_db

URL = "/c/helpdesk/constraints/similar/"
LIST = "/c/helpdesk/constraints/"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    made = factories.campaign("helpdesk", by=admin)
    rows.constraint(made, f"says a date that the source does not give {HOSTILE}", members=2, state="candidate")
    rows.constraint(made, f"gives a date the source does not say {HOSTILE}", members=5, tag="ignores-instruction")
    rows.constraint(made, "rude to the customer", members=2, state="candidate")
    merging_actions.compare(campaign_id=made.pk, now=NOW)
    return made


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def shown(page: Client, url: str = URL) -> str:
    answer = page.get(url)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "<img src=x" not in text
    return " ".join(text.split())


def test_pairs_are_side_by_side_with_evidence_the_one_kept_first(page: Client, campaign: Campaign) -> None:
    text = shown(page)
    assert text.count('<article class="similar"') == 1
    assert text.index("gives a date the source does not say") < text.index("says a date that the source does not give")
    assert "on the same <b>0</b> of the 9 outputs judged last" in text
    assert text.count('class="member-critique"') == 5
    assert "1 similar pair" in shown(page, LIST)


def test_merge_then_undo(page: Client, campaign: Campaign) -> None:
    pair = MergeProposal.objects.get()
    page.post(URL, {"action": "left", "pair": pair.pk})
    assert Constraint.objects.get(pk=pair.left_id).member_count == 7
    text = shown(page)
    assert "No similar pair" in text
    assert "merging into “says a date" in text
    act = Act.objects.get()
    page.post(LIST, {"action": "undo", "act": act.pk, "next": URL})
    assert Constraint.objects.get(pk=pair.left_id).member_count == 2
    assert '<article class="similar"' in shown(page)
    assert page.post(LIST, {"action": "undo", "act": act.pk}).status_code == 422
    assert page.post(LIST, {"action": "undo", "act": "x"}).status_code == 422


def test_not_the_same_can_be_asked_again(page: Client, campaign: Campaign) -> None:
    pair = MergeProposal.objects.get()
    page.post(URL, {"action": "refuse", "pair": pair.pk})
    text = shown(page)
    assert "No similar pair" in text
    assert "Ask again" in text
    page.post(URL, {"action": "ask", "pair": pair.pk})
    assert '<article class="similar"' in shown(page)


def test_the_list_and_a_constraint_offer_the_last_act(page: Client, campaign: Campaign, admin: User) -> None:
    third = Constraint.objects.get(statement="rude to the customer")
    answer = page.post(f"{LIST}{third.pk}/", {"action": "accept"}, headers={"HX-Request": "true"})
    text = answer.content.decode()
    assert 'hx-swap-oob="true"' in text
    assert "accepting “rude to the customer”" in text
    for url in (LIST, f"{LIST}{third.pk}/"):
        assert "accepting “rude to the customer”" in shown(page, url)
    act = acts.last(campaign=campaign, by=admin)
    assert act is not None
    page.post(LIST, {"action": "undo", "act": act.pk})
    third.refresh_from_db()
    assert third.state == "candidate"


def test_a_refused_undo_says_why(page: Client, campaign: Campaign, admin: User) -> None:
    third = Constraint.objects.get(statement="rude to the customer")
    page.post(f"{LIST}{third.pk}/", {"action": "rename", "statement": "mine"})
    act = Act.objects.get()
    Constraint.objects.filter(pk=third.pk).update(statement="theirs")
    answer = page.post(LIST, {"action": "undo", "act": act.pk})
    assert answer.status_code == 422
    assert "was changed since renaming to" in answer.content.decode()


def test_a_constraint_names_what_is_like_it(page: Client, campaign: Campaign) -> None:
    pair = MergeProposal.objects.get()
    assert f"?of={pair.left_id}" in shown(page, f"{LIST}{pair.left_id}/")
    assert '<article class="similar"' in shown(page, f"{URL}?of={pair.left_id}")
    third = Constraint.objects.get(statement="rude to the customer")
    assert "No similar pair" in shown(page, f"{URL}?of={third.pk}")


def test_queries_do_not_grow_and_pages_go_by_key(
    page: Client, campaign: Campaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        twin = "the same words of a fault, nearly"
        rows.constraint(campaign, f"{twin} {number}", state="candidate")
    merging_actions.compare(campaign_id=campaign.pk, now=NOW)
    with django_assert_max_num_queries(16):
        first = page.get(URL)
    assert len(first.context["pairs"]) == 10
    second = page.get(URL + first.context["next_url"])
    seen = [[each.proposal.pk for each in one.context["pairs"]] for one in (first, second)]
    assert len({*seen[0], *seen[1]}) == 20
    assert page.get(f"{URL}?from=nan,x").status_code == 200


def test_who_may(client: Client, campaign: Campaign) -> None:
    pair = MergeProposal.objects.get()
    client.force_login(factories.member(campaign, "researcher"), backend="django.contrib.auth.backends.ModelBackend")
    assert "Not the same" not in shown(client)
    assert client.post(URL, {"action": "refuse", "pair": pair.pk}).status_code == 403
    assert client.post(LIST, {"action": "undo", "act": 1}).status_code == 403
    client.force_login(factories.member(campaign, "annotator"), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(URL).status_code == 403
