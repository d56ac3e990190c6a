"""Checks of constraints: for admins and reviewers; shown before it is stored; nothing of it for annotators."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from annotate.campaigns.models import Campaign
from annotate.constraints import actions as constraints
from annotate.constraints.checks import checking
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Ruling, TrustRule
from annotate.queue import actions as queue
from annotate.verification import actions as verification
from tests import factories
from tests.annotate.constraints.checks import checks
from tests.factories import NOW
from training_bridge.runs.models import Checkpoint

pytestmark = pytest.mark.django_db

ALL = "/c/helpdesk/checks/"
QUEUE = "/c/helpdesk/checks/disagreements/"
SECRET = "secret-of-the-check"


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = checks.world(hits=3, alarms=1, misses=1)
    client.force_login(factories.admin_of(made))
    return made


@pytest.fixture
def page(campaign: Campaign) -> str:
    return f"/c/helpdesk/constraints/{checks.constraint(campaign).pk}/check/"


def body(answer: Any) -> str:
    return str(answer.content.decode())


def sent(text: str = checks.TEXT, action: str = "preview", **more: str) -> dict[str, str]:
    return {"action": action, "text": text, **more}


def seen(text: str) -> str:
    return checking.sha256(checking.normalised(text))


def test_preview_shows_what_it_marks_and_stores_nothing(client: Client, page: str) -> None:
    shown = body(client.post(page, sent()))
    assert 'title="1901 is not in the prompt."' in shown
    assert "check: number_in_source" in shown
    assert 'value="save"' in shown
    assert "disagree" in shown
    assert not CheckVersion.objects.exists()
    assert not CheckResult.objects.exists()


def test_save_without_a_look_shows_it_first(client: Client, page: str) -> None:
    shown = client.post(page, sent(action="save", previewed=seen("check: other")))
    assert shown.status_code == 200
    assert "not stored yet" in body(shown)
    assert not CheckVersion.objects.exists()
    answer = client.post(page, sent(action="save", previewed=seen(checks.TEXT)))
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert CheckVersion.objects.get().text == checks.TEXT


def test_mistake_is_told_and_what_was_typed_is_kept(client: Client, page: str) -> None:
    typed = "check: repeated_ngram\nletters: 4 # <mine>"
    answer = client.post(page, sent(typed))
    assert answer.status_code == 422
    assert "has no argument &#x27;letters&#x27;" in body(answer)
    assert "letters: 4 # &lt;mine&gt;" in body(answer)
    assert 'aria-invalid="true"' in body(answer)


def test_life_is_led_from_the_page(client: Client, page: str, campaign: Campaign) -> None:
    checks.saved(campaign)
    assert "It has not been run" in body(client.get(page))
    client.post(page, {"action": "shadow"})
    checks.run(Check.objects.get())
    shown = body(client.get(page))
    assert "people decided about 7 of them" in shown
    assert "Not to be trusted yet: people decided about 4 of the outputs" in shown
    refused = client.post(page, {"action": "trusted"})
    assert refused.status_code == 422
    assert "The check is not trusted yet" in body(refused)
    assert client.post(page, {"action": "explode"}).status_code == 422
    client.post(page, {"action": "retired"})
    assert Check.objects.get().state == "retired"


def test_table_shows_coverage_and_conflicts(client: Client, campaign: Campaign) -> None:
    assert "No checks yet" in body(client.get(ALL))
    checks.shadow(campaign)
    shown = " ".join(body(client.get(ALL)).split())
    assert "4 <span" in shown
    assert "57 % of 7" in shown
    assert "75 %" in shown
    assert "30–95" in shown
    assert "Where people and a check disagree" in shown


def test_rule_is_set_by_admins_and_keeps_what_was_typed(client: Client, campaign: Campaign) -> None:
    refused = client.post(ALL, {"precision": "2", "adjudicated": "40"})
    assert refused.status_code == 422
    assert 'value="2"' in body(refused)
    assert client.post(ALL, {"precision": "lots", "adjudicated": "40"}).status_code == 422
    assert client.post(ALL, {"precision": "0.9", "adjudicated": "40"}).status_code == 302
    assert TrustRule.objects.get().precision == 0.9
    client.force_login(factories.member(campaign, "reviewer"))
    assert client.post(ALL, {"precision": "0.6", "adjudicated": "40"}).status_code in (403, 422)
    assert TrustRule.objects.get().precision == 0.9


def test_queue_takes_decisions(client: Client, campaign: Campaign) -> None:
    life = checks.shadow(campaign)
    shown = body(client.get(QUEUE))
    assert shown.count("The check is right</button>") == 2
    assert "people say <strong>not violated</strong>" in shown
    for result, side in zip(check_queries.disputed(campaign=campaign).order_by("pk"), ("check", "people"), strict=True):
        answer = client.post(QUEUE, {"result": result.pk, "side": side, "next": f"{QUEUE}?constraint=1"})
        assert answer["Location"] == f"{QUEUE}?constraint=1"
    assert sorted(Ruling.objects.values_list("side", flat=True)) == ["check", "people"]
    assert "Nothing to decide" in body(client.get(QUEUE))
    assert checks.run(life).hit_count == 4
    assert client.post(QUEUE, {"result": "x", "side": "check"}).status_code == 422


def test_queue_shows_the_place_in_a_long_output_and_pages_by_key(
    client: Client, campaign: Campaign, django_assert_max_num_queries: Any
) -> None:
    critic = factories.user()
    for number in range(12):
        checks.judge(checks.output(campaign, f"{'word ' * 2_000} 20{number + 10}."), critic, is_marked=False)
    checks.shadow(campaign)
    with django_assert_max_num_queries(12):
        first = client.get(QUEUE)
    assert body(first).count('title="2021 is not in the prompt."') == 1
    assert len(first.content) < 100_000
    assert body(first).count("The check is right</button>") == 10
    second = client.get(first.context["page"].next_url)
    assert body(second).count("The check is right</button>") == 4


def test_decision_about_another_campaigns_output_is_refused(client: Client, campaign: Campaign) -> None:
    other = checks.world("other", alarms=1)
    checks.shadow(other)
    [theirs] = check_queries.disputed(campaign=other)
    assert client.post(QUEUE, {"result": theirs.pk, "side": "check"}).status_code in (404, 422)
    assert not Ruling.objects.exists()


@pytest.mark.parametrize("role", ["annotator", "researcher"])
def test_pages_are_for_admins_and_reviewers(client: Client, campaign: Campaign, page: str, role: str) -> None:
    for path in (page, ALL, QUEUE):
        client.force_login(factories.member(campaign, "reviewer"))
        assert client.get(path).status_code == 200
        client.force_login(factories.member(campaign, role))
        assert client.get(path).status_code == 403
        assert client.post(path, {"action": "shadow"}).status_code == 403


def test_annotators_see_nothing_of_any_check(client: Client, campaign: Campaign) -> None:
    """With a check in force and its findings stored, an annotator's pages are what they were without."""
    annotator = factories.member(campaign)
    client.force_login(annotator)
    checks.output(campaign, "Bloom came out in 2020.")
    queue.lease_next(campaign=campaign, annotator=annotator, now=NOW)
    verification.start(
        constraint=checks.constraint(campaign), by=factories.admin_of(campaign), now=NOW, tagged=2, random=2, overlap=1
    )
    paths = ("/", "/c/helpdesk/", "/c/helpdesk/work/", "/c/helpdesk/verify/", "/c/helpdesk/tags/")
    checks.shadow(campaign, f"check: number_in_source\nname: {SECRET}")
    for path in paths:
        shown = body(client.get(path)).lower()
        assert SECRET not in shown
        assert "is not in the prompt" not in shown
        assert "/check" not in shown


def test_hostile_text_is_only_text(client: Client, campaign: Campaign, page: str) -> None:
    hostile = "<script>alert(x)</script>\u202e 2020"
    checks.judge(checks.output(campaign, hostile), factories.user(), is_marked=False)
    checks.shadow(campaign)
    for answer in (client.post(page, sent()), client.get(QUEUE), client.get(ALL)):
        assert "<script>alert" not in body(answer)
    assert "&lt;script&gt;alert(x)" in body(client.get(QUEUE))
    assert 'data-name="RLO"' in body(client.get(QUEUE))


def test_examples_of_the_page_can_be_read(client: Client, page: str) -> None:
    shown = client.get(page)
    for text, _ in shown.context["examples"]:
        assert checking.read(text)


def test_outputs_are_filtered_by_what_a_trusted_check_marks(client: Client, campaign: Campaign) -> None:
    for year in range(2020, 2025):
        checks.judge(checks.output(campaign, f"In {year}."), factories.user(), is_marked=True)
    checks.group(campaign)
    checks.trusted(campaign)
    filtered = "/c/helpdesk/outputs/?check=trusted"
    assert body(client.get(filtered)).count('class="output-link"') == 9
    assert body(client.get("/c/helpdesk/outputs/")).count('class="output-link"') == 12
    client.force_login(factories.member(campaign, "researcher"))
    shown = body(client.get(filtered))
    assert shown.count('class="output-link"') == 12
    assert "trusted check" not in shown


def test_run_form_takes_the_trusted_checks_and_keeps_what_was_typed(client: Client, campaign: Campaign) -> None:
    admin = factories.admin_of(campaign)
    constraints.accept(constraint=checks.constraint(campaign), by=admin, now=NOW)
    for year in range(2020, 2025):
        checks.judge(checks.output(campaign, f"In {year}."), factories.user(), is_marked=True)
    checks.group(campaign)
    Checkpoint.objects.create(name="base", campaign=campaign, created_at=NOW)
    form = "/c/helpdesk/runs/new/"
    assert "trusted check" not in body(client.get(form))
    checks.trusted(campaign)
    assert "trusted check" not in body(client.get(form))
    constraints.approve(campaign=campaign, by=admin, now=NOW)
    assert "Use the 1 trusted check" in body(client.get(form))
    answer = client.post(form, {"take_checks": "trusted", "method": "nsr", "h-steps": "77", "checks": "[]"})
    assert answer.status_code == 200
    assert answer.context["values"]["checks"].startswith('[\n  {"check": "number_in_source"')
    assert answer.context["values"]["h-steps"] == "77"
