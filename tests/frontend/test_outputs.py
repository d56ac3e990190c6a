from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from annotate.campaigns.models import Campaign
from annotate.intake.models import Prompt
from tests import factories

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script><b hx-get='/x'>\u202egnp.exe\u202c a\u200bb {{ settings }}"


def visitor(campaign: Campaign, role: str = "reviewer") -> Client:
    client = Client()
    client.force_login(factories.member(campaign, role))
    return client


def page_of(client: Client, campaign: Campaign, query: str = "") -> str:
    answer = client.get(reverse("outputs", args=[campaign.slug]) + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_outputs_empty_says_what_to_do_next() -> None:
    campaign = factories.campaign()
    assert reverse("import", args=[campaign.slug]) in page_of(visitor(campaign, "admin"), campaign)
    assert "An admin of the campaign imports them" in page_of(visitor(campaign), campaign)


def test_outputs_pages_by_key() -> None:
    campaign = factories.campaign()
    made = [factories.output(campaign, f"Answer number {number:03}") for number in range(30)]
    client = visitor(campaign)
    first = page_of(client, campaign)
    assert "number 029" in first
    assert "number 004" not in first
    older = page_of(client, campaign, f"?before={made[5].pk}")
    assert "number 004" in older
    assert "number 005" not in older


def test_outputs_filters_by_batch_state_and_verdict() -> None:
    campaign = factories.campaign()
    one, two = factories.batch(campaign), factories.batch(campaign)
    rejected = factories.output(campaign, "was rejected", batch=one)
    fine = factories.output(campaign, "was fine", batch=one)
    factories.output(campaign, "was left", batch=two)
    factories.judgment(rejected)
    factories.judgment(fine, "nothing_wrong")
    client = visitor(campaign)

    def shown(query: str) -> set[str]:
        page = page_of(client, campaign, query)
        return {word for word in ("rejected", "fine", "left") if f"was {word}" in page}

    assert shown("") == {"rejected", "fine", "left"}
    assert shown(f"?batch={two.pk}") == {"left"}
    assert shown("?state=judged") == {"rejected", "fine"}
    assert shown("?state=unjudged") == {"left"}
    assert shown("?verdict=nothing_wrong") == {"fine"}
    assert shown("?verdict=cannot_tell") == set()
    assert "No output is like that" in page_of(client, campaign, "?verdict=cannot_tell")


@pytest.mark.parametrize(
    "query",
    [
        "?batch=x' OR 1=1",
        "?campaign__created_by__password__startswith=a",
        "?verdict__contains=x&state[]=judged&batch=99999999999999999999&before=-1&after=x",
    ],
)
def test_outputs_looks_at_nothing_else_in_the_query(query: str) -> None:
    campaign = factories.campaign()
    factories.output(campaign, "was left")
    assert "was left" in page_of(visitor(campaign), campaign, query)


def test_outputs_refuses_what_no_text_can_hold() -> None:
    campaign = factories.campaign()
    answer = visitor(campaign).get(f"/c/{campaign.slug}/outputs/?batch=%00")
    assert answer.status_code == 422
    assert "NUL character" in answer.content.decode()


def test_outputs_queries_do_not_grow_with_rows(django_assert_max_num_queries: Any) -> None:
    campaign = factories.campaign()
    client = visitor(campaign)
    for _ in range(20):
        factories.judgment(factories.output(campaign))
    with django_assert_max_num_queries(8):
        page_of(client, campaign)


@pytest.mark.parametrize("role", ["annotator", None])
def test_outputs_who_may_not(role: str | None) -> None:
    campaign = factories.campaign()
    output = factories.output(campaign)
    client = visitor(campaign, role) if role else visitor(factories.campaign(), "admin")
    for address in (reverse("outputs", args=[campaign.slug]), reverse("output", args=[campaign.slug, output.pk])):
        assert client.get(address).status_code == (403 if role else 404)


def test_output_of_another_campaign_is_not_found() -> None:
    campaign = factories.campaign()
    other = factories.output(factories.campaign())
    assert visitor(campaign).get(reverse("output", args=[campaign.slug, other.pk])).status_code == 404


def test_output_shows_all_judgments_with_their_marks() -> None:
    campaign = factories.campaign()
    output = factories.output(campaign, "Bloom was released by EMI.", model="secret-7b", meta={"seed": 3})
    first = factories.judgment(
        output,
        annotator=factories.user(name="Ada"),
        comment="see below",
        violations=[
            {"start": 22, "end": 25, "severity": "critical", "critique": "by Capitol", "correction": "Capitol"}
        ],
    )
    factories.judgment(output, "nothing_wrong", annotator=factories.user(name="Eve"))
    client = visitor(campaign)
    address = reverse("output", args=[campaign.slug, output.pk])
    page = client.get(address).content.decode()
    assert '<mark class="span is-critical" title="Invented fact (critical), Ada">EMI</mark>' in page
    for said in ("by Capitol", "see below", "secret-7b", "seed", "Eve", "disputed, 1 of 2 reject"):
        assert said in page
    assert "<mark" not in client.get(f"{address}?judgment={first.pk + 1}").content.decode()


def test_output_renders_everything_as_hostile_text() -> None:
    campaign = factories.campaign()
    output = factories.output(campaign, HOSTILE, prompt=HOSTILE, model=HOSTILE, meta={HOSTILE: HOSTILE})
    hostile = {"critique": HOSTILE, "correction": HOSTILE, "start": 3, "end": 60}
    factories.judgment(output, annotator=factories.user("x", name=HOSTILE[:100]), comment=HOSTILE, violations=[hostile])
    client = visitor(campaign)
    for address in (reverse("output", args=[campaign.slug, output.pk]), reverse("outputs", args=[campaign.slug])):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<b hx-get" not in page
        assert 'data-name="RLO"' in page
        assert 'data-name="ZWSP"' in page


def test_output_shows_a_chat_as_blocks() -> None:
    campaign = factories.campaign()
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi <b>"}]
    prompt = Prompt.objects.create(campaign=campaign, sha256="c" * 64, text="x", messages=chat)
    output = factories.output(campaign, prompt=prompt)
    page = visitor(campaign).get(reverse("output", args=[campaign.slug, output.pk])).content.decode()
    assert page.count("prompt-role") == 2
    assert "Hi &lt;b&gt;" in page


def test_output_queries_do_not_grow_with_judgments(django_assert_max_num_queries: Any) -> None:
    campaign = factories.campaign(overlap=10)
    output = factories.output(campaign)
    for _ in range(10):
        factories.judgment(output)
    client = visitor(campaign)
    with django_assert_max_num_queries(8):
        client.get(reverse("output", args=[campaign.slug, output.pk]))


def test_output_shows_the_twins_of_its_prompt_and_the_calls_of_tools() -> None:
    campaign = factories.campaign("helpdesk")
    prompt = factories.prompt(campaign, "I am sure it is 5.")
    prompt.messages = [
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": "{}"}}]}
    ]
    prompt.twins = {"flipped": {"text": "I am sure it is <4>.", "messages": []}}
    prompt.save()
    output = factories.output(campaign, prompt=prompt)
    page = visitor(campaign).get(f"/c/helpdesk/outputs/{output.pk}/").text
    assert "Prompt, flipped" in page
    assert "I am sure it is &lt;4&gt;." in page
    assert "Prompt, masked" not in page
    assert re.search(r"calls <bdi[^>]*>add</bdi>", page)


def test_output_does_not_mix_people_with_programs() -> None:
    campaign = factories.campaign("helpdesk", overlap=4)
    output = factories.output(campaign)
    client, address = visitor(campaign), f"/c/helpdesk/outputs/{output.pk}/"
    for kind in ("script", "model"):
        factories.judgment(output, annotator=factories.user(kind=kind))
    assert "Programs together: rejected by 2 of 2" in " ".join(client.get(address).text.split())
    factories.judgment(output, "nothing_wrong")
    assert "People together: nothing wrong, rejected by none of 1" in " ".join(client.get(address).text.split())
