"""A check that asks a model, from its page: chosen by name, tried on few outputs, its cost and failures shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from pydantic import SecretStr

from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Judging, Unanswered
from tests import factories
from tests.annotate.asking import server
from tests.annotate.constraints.checks import checks
from tests.annotate.constraints.checks.test_judges import TEXT, by_year
from tests.frontend.test_checks import ALL, body, seen, sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[server.Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with server.running() as made:
        settings.MODELS = {"local": made.model(key=SecretStr("sk-abc"))}
        made.script = by_year
        yield made


@pytest.fixture
def campaign(client: Client) -> Campaign:
    made = checks.world(hits=3, alarms=1, misses=1)
    client.force_login(factories.admin_of(made))
    return made


@pytest.fixture
def page(campaign: Campaign) -> str:
    return f"/c/helpdesk/constraints/{checks.constraint(campaign).pk}/check/"


def words(answer: Any) -> str:
    return " ".join(body(answer).split())


def test_preview_of_a_judge_looks_at_few_and_says_what_it_cost(client: Client, page: str, local: server.Server) -> None:
    shown = words(client.post(page, sent(TEXT)))
    asked = len(local.asked)
    assert 1 <= asked <= 8
    assert f"the preview looks at {asked} only: {asked} questions, {40 * asked} tokens sent" in shown
    assert 'title="The judge: A year."' in shown
    assert "A text may talk a judge round" in shown
    assert not CheckResult.objects.exists()
    assert client.post(page, sent(TEXT, "save", previewed=seen(TEXT))).status_code == 302
    assert len(local.asked) == asked
    assert CheckVersion.objects.get().declared[0]["model"] == "local"


def test_preview_tells_of_answers_that_cannot_be_read(client: Client, page: str, local: server.Server) -> None:
    local.script = lambda asked: server.completion("<b>hm</b>")
    shown = words(client.post(page, sent(TEXT)))
    assert "No answer, which is not a pass, about" in shown
    assert "neither the JSON that it was asked for nor yes or no" in shown
    assert "0 outputs, drawn by seed 1" in shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "check: judge\nmodel: other\nquestion: Is it?",
            "line 2: check 1 (judge): model is &#x27;other&#x27;, which is not",
        ),
        ("check: judge\nmodel: local", "check 1 (judge) lacks question"),
        (
            "check: judge\nmodel: local\nquestion: Is it?\nbase_url: http://10.0.0.1/",
            "has no argument &#x27;base_url&#x27;",
        ),
    ],
)
def test_mistake_in_a_judge_is_told_before_anything_is_asked(
    client: Client, page: str, local: server.Server, text: str, says: str
) -> None:
    answer = client.post(page, sent(text))
    assert answer.status_code == 422
    assert says in body(answer)
    assert local.asked == []


def test_preview_of_a_judge_whose_model_is_down_says_so(client: Client, page: str, local: server.Server) -> None:
    local.script = lambda asked: server.refused(500, "<script>sk-abc</script>")
    answer = client.post(page, sent(TEXT))
    assert answer.status_code == 422
    assert "The model “local” answered 500: &lt;script&gt;…&lt;/script&gt;. Nothing is wrong with the check" in words(
        answer
    )
    assert "question: Does the text state a year?" in body(answer)


def test_examples_offer_a_judge_where_there_is_a_model(
    client: Client, page: str, local: server.Server, settings: Any
) -> None:
    assert "model: local" in body(client.get(page))
    settings.MODELS = {}
    assert "check: judge" not in body(client.get(page))


def test_page_shows_what_it_cost_what_has_no_answer_and_no_key(
    client: Client, page: str, campaign: Campaign, local: server.Server
) -> None:
    local.script = lambda asked: server.completion("hm") if "1901" in server.text_of(asked) else by_year(asked)
    checks.shadow(campaign, TEXT)
    shown = words(client.get(page))
    assert 'It asks <span class="mono">local</span>: 7 questions, 280 tokens sent and 49 received.' in shown
    assert "1 output has no answer, which is not a pass" in shown
    assert "7 questions" in words(client.get(ALL))
    Unanswered.objects.update(try_count=9)
    assert "about 1 of them it is not asked again" in words(client.get(page))
    assert "sk-abc" not in shown
    assert "127.0.0.1" not in shown


def test_page_shows_that_the_model_fails_and_leaves_the_check_alone(
    client: Client, page: str, campaign: Campaign, local: server.Server
) -> None:
    local.script = lambda asked: server.refused(429, "slow down")
    checks.shadow(campaign, TEXT)
    shown = words(client.get(page))
    assert "The model “local” answered 429: slow down. It is asked again at" in shown
    assert "Runs take no judge as a reward." in shown
    Judging.objects.update(failure_count=3)
    assert "It failed 3 times in a row." in words(client.get(page))
    assert Check.objects.get().state == "shadow"
    assert "the model fails" in words(client.get(ALL))


def test_table_costs_the_same_however_many_judges(
    client: Client, campaign: Campaign, local: server.Server, django_assert_max_num_queries: Any
) -> None:
    life = checks.shadow(campaign, TEXT)
    with django_assert_max_num_queries(20) as few:
        client.get(ALL)
    critic = factories.user()
    for tag in ("contradicts-itself", "invented-fact"):
        factories.judgment(checks.output(campaign, tag), annotator=critic, violations=[{"tag": tag}])
    checks.group(campaign)
    other = checks.constraint_of(campaign, "contradicts-itself")
    checks.run(checks.step(checks.saved_for(other, TEXT), "shadow"))
    assert Judging.objects.count() == 2
    assert life.run_count == 7
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(ALL)
