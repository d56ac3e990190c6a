"""The scripted annotator judges through the queue like anybody, and leaves for people what is theirs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns.models import Campaign
from annotate.judgments.models import Judgment, Violation
from annotate.queue import actions as queue_actions
from annotate.queue.models import Lease
from tests import factories
from training_bridge.demo import annotator, campaign_design, truth

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUESTION = "Ann has {} apples and gets 5 more. How many apples does Ann have?"


@pytest.fixture
def script() -> User:
    return account_actions.ensure_annotator(username="demo-script", name="Demo script", kind="script")


@pytest.fixture
def campaign() -> Campaign:
    return campaign_actions.create(by=factories.user(), slug="demo-1", name="Demo", tags=campaign_design.TAGS, now=NOW)


def answer(campaign: Campaign, text: str, *, first: int = 8, question: str = QUESTION) -> int:
    prompt = factories.prompt(campaign, question.format(first))
    output = factories.output(campaign, text=text, prompt=prompt)
    queue_actions.enqueue(campaign=campaign, output_ids=[output.pk], now=NOW)
    return output.pk


def judge(campaign: Campaign, script: User, left: frozenset[int] = frozenset()) -> int:
    return annotator.judge_open(
        campaign=campaign, annotator=script, left=left, clock=lambda: NOW, on_judged=lambda count: None
    )


def test_judge_open_rejects_with_spans_and_accepts_what_is_right(campaign: Campaign, script: User) -> None:
    wrong = answer(campaign, "8 + 5 = 13. Ann has 13 pears.")
    right = answer(campaign, "9 + 5 = 14. Ann has 14 apples.", first=9)
    assert judge(campaign, script) == 2
    verdicts = dict(Judgment.objects.values_list("output_id", "verdict"))
    assert verdicts == {wrong: "rejected", right: "nothing_wrong"}
    violation = Violation.objects.get()
    assert (violation.tag.slug, violation.quote, violation.correction) == (truth.UNIT, "pears", "apples")
    assert violation.severity == "major" and "apples" in violation.critique


def test_judge_open_labels_its_judgments_as_a_script(campaign: Campaign, script: User) -> None:
    answer(campaign, "13 apples")
    judge(campaign, script)
    judgment = Judgment.objects.get()
    assert judgment.annotator.kind == User.Kind.SCRIPT
    assert "script" in judgment.comment and "script" in str(judgment.annotator)


def test_judge_open_skips_what_is_left_for_people(campaign: Campaign, script: User) -> None:
    kept = answer(campaign, "13 apples")
    answer(campaign, "14 apples", first=9)
    foreign = answer(campaign, "About 4.6 billion years.", question="How old is the sun?")
    assert judge(campaign, script, left=frozenset({kept})) == 1
    assert not Judgment.objects.filter(output_id__in=[kept, foreign]).exists()
    person = factories.member(campaign)
    leases = [queue_actions.lease_next(campaign=campaign, annotator=person, now=NOW)]
    assert leases[0] is not None and leases[0].output_id in (kept, foreign)
    reasons = dict(Lease.objects.filter(state="skipped").values_list("output_id", "skip_reason"))
    assert reasons == {kept: "left for a person", foreign: "not a question of the demo's world"}


def test_judge_open_twice_equals_once(campaign: Campaign, script: User) -> None:
    answer(campaign, "13 apples")
    assert judge(campaign, script) == 1
    assert judge(campaign, script) == 0
    assert Judgment.objects.count() == 1


def test_left_for_people_depends_on_the_prompts_alone(campaign: Campaign) -> None:
    batch = factories.batch(campaign)
    made = [
        factories.output(campaign, batch=batch, prompt=factories.prompt(campaign, QUESTION.format(first)))
        for first in range(2, 8)
    ]
    left = annotator.left_for_people(batch=batch, judged=4)
    assert left == {each.pk for each in sorted(made, key=lambda each: each.prompt.sha256)[4:]}
