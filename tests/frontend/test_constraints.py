from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.models import Constraint, ConstraintSet
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db

HOSTILE = '<img src=x onerror=alert(1)> <b hx-get="/x">'


@pytest.fixture
def admin() -> User:
    return factories.user("ada")


@pytest.fixture
def campaign(admin: User) -> Campaign:
    made = factories.campaign("helpdesk", by=admin)
    for tag in ("invented-fact", "ignores-instruction"):
        for number in range(4):
            critique = f"says a date the source does not give: {HOSTILE} {number}"
            factories.judgment(
                factories.output(made, f"Bloom {HOSTILE} {tag} {number}"),
                violations=[{"tag": tag, "critique": critique, "start": 0, "end": 20}],
            )
    actions.regroup(campaign_id=made.pk, now=NOW)
    return made


@pytest.fixture
def page(client: Client, admin: User) -> Client:
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    return client


def constraints(campaign: Campaign) -> list[Constraint]:
    return list(Constraint.objects.living().filter(campaign=campaign).in_page_order())


def test_list_shows_statements_as_text(page: Client, campaign: Campaign) -> None:
    answer = page.get("/c/helpdesk/constraints/")
    assert answer.status_code == 200
    assert "&lt;img src=x" in answer.content.decode()
    assert "<img src=x" not in answer.content.decode()


def test_empty_list_says_what_to_do(page: Client, admin: User) -> None:
    factories.campaign("empty", by=admin)
    assert "No constraint yet" in page.get("/c/empty/constraints/").content.decode()


def test_list_queries_do_not_grow(
    page: Client, campaign: Campaign, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    page.get("/c/helpdesk/constraints/")
    with django_assert_max_num_queries(14):
        page.get("/c/helpdesk/constraints/")
    for number in range(30):
        Constraint.objects.create(
            campaign=campaign, tag_slug=f"t{number % 3}", kind="other", statement="x", created_at=NOW, updated_at=NOW
        )
    with django_assert_max_num_queries(14):
        page.get("/c/helpdesk/constraints/")


def test_list_pages_by_key(page: Client, campaign: Campaign) -> None:
    Constraint.objects.bulk_create(
        Constraint(
            campaign=campaign,
            tag_slug=f"t{n % 3}",
            kind="other",
            statement=f"number {n}.",
            member_count=n % 5,
            created_at=NOW,
            updated_at=NOW,
        )
        for n in range(90)
    )
    url, seen = "/c/helpdesk/constraints/", ""
    for _ in range(3):
        answer = page.get(url)
        seen += answer.content.decode()
        url = answer.context["next_url"]
    assert not url
    assert all(f"number {n}." in seen for n in range(90))


def test_accept_one_by_htmx_answers_with_its_row(page: Client, campaign: Campaign) -> None:
    first = constraints(campaign)[0]
    answer = page.post(f"/c/helpdesk/constraints/{first.pk}/", {"action": "accept"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert f'id="constraint-{first.pk}"' in answer.content.decode()
    assert "is-accepted" in answer.content.decode()


def test_bulk_without_script(page: Client, campaign: Campaign) -> None:
    ids = [each.pk for each in constraints(campaign)]
    answer = page.post("/c/helpdesk/constraints/", {"action": "accept", "constraint": ids}, follow=True)
    assert answer.status_code == 200
    assert {each.state for each in constraints(campaign)} == {"accepted"}
    page.post("/c/helpdesk/constraints/", {"action": "merge", "constraint": ids})
    assert len(constraints(campaign)) == 1


@pytest.mark.parametrize("action", ["merge", "accept", "explode"])
def test_bulk_of_nothing_says_so(page: Client, campaign: Campaign, action: str) -> None:
    assert page.post("/c/helpdesk/constraints/", {"action": action}).status_code == 422


def test_rename_keeps_what_was_typed_when_refused(page: Client, campaign: Campaign) -> None:
    first = constraints(campaign)[0]
    answer = page.post(f"/c/helpdesk/constraints/{first.pk}/", {"action": "rename", "statement": "y" * 501})
    assert answer.status_code == 422
    assert "y" * 501 in answer.content.decode()


def test_members_are_hostile_text(page: Client, campaign: Campaign) -> None:
    first = constraints(campaign)[0]
    text = page.get(f"/c/helpdesk/constraints/{first.pk}/").content.decode()
    assert "<mark" in text
    assert "onerror" in text
    assert "<img src=x" not in text
    assert "<b hx-get" not in text


def test_split_off_chosen_members(page: Client, campaign: Campaign) -> None:
    first = constraints(campaign)[0]
    ids = list(first.members.values_list("violation_id", flat=True))[:2]
    answer = page.post(
        f"/c/helpdesk/constraints/{first.pk}/",
        {"action": "split", "violation": ids, "statement": "A new one"},
        follow=True,
    )
    assert "A new one" in answer.content.decode()
    assert len(constraints(campaign)) == 3


def test_undoing_a_split_leads_back_to_where_the_members_are(page: Client, campaign: Campaign) -> None:
    first = constraints(campaign)[0]
    ids = list(first.members.values_list("violation_id", flat=True))[:2]
    source = f"/c/helpdesk/constraints/{first.pk}/"
    made = page.post(source, {"action": "split", "violation": ids, "statement": "A new one"}).headers["Location"]
    assert made != source
    assert f'name="next" value="{source}"' in page.get(made).text
    assert f'name="next" value="{source}"' in page.get(source).text
    act = page.get(made).context["last_act"]
    page.post("/c/helpdesk/constraints/", {"action": "undo", "act": act.pk, "next": source})
    retired = page.get(made).text
    assert "it is kept for the record" in retired
    assert "Verify it" not in retired


def test_members_context_is_cut_between_words_and_says_so(page: Client, admin: User) -> None:
    campaign = factories.campaign("long", by=admin)
    text = "word " * 40 + "MARK" + " word" * 40
    for number in range(3):
        marked = {"critique": "says a mark", "start": 200, "end": 204}
        factories.judgment(factories.output(campaign, f"{text} {number}"), violations=[marked])
    actions.regroup(campaign_id=campaign.pk, now=NOW)
    shown = page.get(f"/c/long/constraints/{constraints(campaign)[0].pk}/").context["members"][0]
    before, after = ("".join(piece.text for piece in pieces) for pieces in (shown.before, shown.after))
    assert before.startswith("… word ")
    assert after.endswith(" word …")
    assert 100 < len(before) < 125 > len(after) > 100


def test_approve_shows_changes_then_freezes(page: Client, campaign: Campaign) -> None:
    ids = [each.pk for each in constraints(campaign)]
    page.post("/c/helpdesk/constraints/", {"action": "accept", "constraint": ids})
    assert "Approve constraint set 1" in page.get("/c/helpdesk/constraints/sets/").content.decode()
    assert page.post("/c/helpdesk/constraints/sets/", follow=True).status_code == 200
    assert ConstraintSet.objects.get().revision == 1
    assert page.post("/c/helpdesk/constraints/sets/").status_code == 422
    assert page.get("/c/helpdesk/constraints/sets/1/").status_code == 200
    assert page.get("/c/helpdesk/constraints/sets/2/").status_code == 404


@pytest.mark.parametrize(
    ("role", "reads", "decides"), [("annotator", 403, 403), ("researcher", 200, 403), ("reviewer", 200, 302)]
)
def test_who_may(client: Client, campaign: Campaign, role: str, reads: int, decides: int) -> None:
    client.force_login(factories.member(campaign, role), backend="django.contrib.auth.backends.ModelBackend")
    first = constraints(campaign)[0]
    for url in ("/c/helpdesk/constraints/", f"/c/helpdesk/constraints/{first.pk}/", "/c/helpdesk/constraints/sets/"):
        assert client.get(url).status_code == reads
    assert client.post(f"/c/helpdesk/constraints/{first.pk}/", {"action": "accept"}).status_code == decides
    if decides == 403:
        assert client.post("/c/helpdesk/constraints/", {"action": "accept", "constraint": first.pk}).status_code == 403
        assert client.post("/c/helpdesk/constraints/sets/").status_code == 403


def test_constraints_of_another_campaign_are_not_there(page: Client, campaign: Campaign, admin: User) -> None:
    factories.campaign("mine", by=admin)
    first = constraints(campaign)[0]
    assert page.get(f"/c/mine/constraints/{first.pk}/").status_code == 404
    assert page.post("/c/mine/constraints/", {"action": "accept", "constraint": first.pk}).status_code == 404
