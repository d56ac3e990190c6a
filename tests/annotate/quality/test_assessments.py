"""Assessments: who may ask for which, what the sweep keeps up by itself, and that computing is done once at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import NotFound, RuleError
from annotate.quality import actions, agreement_queries, assessing, assessment_queries, judges
from annotate.quality.assessing import Question
from annotate.quality.models import AssessedAnnotator, Assessment
from tests import factories

pytestmark = pytest.mark.django_db
NOW = factories.NOW
RELIABILITY, AGREEMENT = (Question(subject=subject) for subject in ("reliability", "agreement"))
OF_A_TAG = Question(subject="reliability", tag_slug="invented-fact")


@pytest.fixture
def campaign() -> Campaign:
    return factories.campaign("helpdesk", overlap=5)


def judged(campaign: Campaign, *, count: int = 12, people: int = 3) -> list[User]:
    """Every other output is wrong, and everybody sees it."""
    by = [factories.user() for _ in range(people)]
    for number, output in enumerate(factories.outputs(campaign, *(f"Output {number}." for number in range(count)))):
        for annotator in by:
            factories.judgment(output, "rejected" if number % 2 else "nothing_wrong", annotator=annotator)
    return by


def asked(campaign: Campaign, question: Question = RELIABILITY, *, by: User | None = None) -> Assessment:
    return actions.request(campaign=campaign, question=question, by=by or factories.admin_of(campaign), now=NOW)


def computed(campaign: Campaign, question: Question = RELIABILITY) -> Assessment:
    made = asked(campaign, question)
    assert actions.compute(assessment_id=made.pk, clock=lambda: NOW)
    made.refresh_from_db()
    return made


def test_request_is_for_admins_and_reviewers(campaign: Campaign) -> None:
    asked(campaign, by=factories.member(campaign, "reviewer"))
    for role in ("annotator", "researcher"):
        with pytest.raises(RuleError):
            asked(campaign, by=factories.member(campaign, role))
    with pytest.raises(RuleError):
        asked(campaign, by=factories.user())


def test_request_twice_is_once(campaign: Campaign) -> None:
    assert asked(campaign).pk == asked(campaign).pk
    assert Assessment.objects.get().requested_at == NOW


def test_request_of_what_there_is_not(campaign: Campaign) -> None:
    for question in (
        Question(subject="reliability", tag_slug="no-such-tag"),
        Question(subject="agreement", judged_by="nobody"),
    ):
        with pytest.raises(NotFound):
            asked(campaign, question)
    assert not Assessment.objects.exists()


def test_due_opens_what_is_kept_up_where_somebody_judged(campaign: Campaign) -> None:
    assert actions.due(now=NOW) == []
    factories.campaign("silent")
    judged(campaign, count=1)
    due = actions.due(now=NOW)
    assert [each.subject for each in Assessment.objects.filter(campaign=campaign, pk__in=due).order_by("pk")] == [
        "reliability",
        "agreement",
    ]
    assert actions.due(now=NOW) == due
    assert Assessment.objects.count() == 2


def test_due_is_what_somebody_waits_for_then_what_is_behind(campaign: Campaign) -> None:
    judged(campaign, count=1)
    kept = actions.due(now=NOW)
    awaited = asked(campaign, OF_A_TAG)
    assert actions.due(now=NOW) == [awaited.pk, *kept]
    for pk in (awaited.pk, *kept):
        actions.compute(assessment_id=pk, clock=lambda: NOW)
    later = NOW + timedelta(hours=1)
    assert actions.due(now=later) == []
    judged(campaign, count=1)
    assert actions.due(now=later) == kept, "what was asked for once is not kept up"


def test_due_after_a_withdrawal(campaign: Campaign) -> None:
    """Nothing new is stored then, and what stood before counts again."""
    output = factories.output(campaign)
    judgment = factories.judgment(output)
    for pk in actions.due(now=NOW):
        actions.compute(assessment_id=pk, clock=lambda: NOW)
    judgment.is_current = False
    judgment.save()
    assert len(actions.due(now=NOW + timedelta(hours=1))) == 2


def test_due_rests_in_proportion_to_what_it_took(campaign: Campaign) -> None:
    judged(campaign, count=1)
    for pk in actions.due(now=NOW):
        actions.compute(assessment_id=pk, clock=lambda: NOW)
    slow = Assessment.objects.get(subject="agreement")
    slow.seconds = 30.0
    slow.save()
    judged(campaign, count=1)
    assert actions.due(now=NOW + timedelta(seconds=59)) == []
    assert slow.pk not in actions.due(now=NOW + timedelta(minutes=9))
    assert slow.pk in actions.due(now=NOW + timedelta(minutes=10))


def test_compute_stores_figures_and_each_annotator(campaign: Campaign) -> None:
    by = judged(campaign)
    made = computed(campaign)
    found = assessing.reliability_then(made.figures)
    assert (found.refusal, found.output_count, made.requested_at, made.computed_at) == ("", 12, None, NOW)
    annotators = assessment_queries.of_annotators(assessment=made, ids=[each.pk for each in by])
    assert {each.shared for each in annotators.values()} == {12}
    assert all(each.sensitivity is not None and each.sensitivity.value > 0.9 for each in annotators.values())


def test_compute_again_replaces_the_annotators(campaign: Campaign) -> None:
    judged(campaign)
    computed(campaign)
    campaign.judgments.update(is_current=False)
    judged(campaign, people=4)
    made = computed(campaign)
    assert AssessedAnnotator.objects.filter(assessment=made).count() == 4


def test_compute_of_what_stands_unchanged_does_nothing(campaign: Campaign) -> None:
    judged(campaign)
    made = computed(campaign)
    assert not actions.compute(assessment_id=made.pk, clock=lambda: NOW + timedelta(days=1))
    made.refresh_from_db()
    assert made.computed_at == NOW
    assert not actions.compute(assessment_id=made.pk + 1, clock=lambda: NOW)


@pytest.mark.parametrize("question", [RELIABILITY, AGREEMENT])
def test_compute_of_nothing_at_all(campaign: Campaign, question: Question) -> None:
    made = computed(campaign, question)
    if question == RELIABILITY:
        assert assessing.reliability_then(made.figures).refusal == "none"
    else:
        assert assessing.agreement_then(made.figures).outputs == 0


def test_stored_agreement_is_what_was_measured(campaign: Campaign) -> None:
    judged(campaign)
    found = assessing.agreement_then(computed(campaign, AGREEMENT).figures)
    measured = agreement_queries.agreement_of(campaign=campaign, kinds=judges.PEOPLE, newest=assessing.OUTPUTS_AT_MOST)
    assert (found.overall, found.tags, found.outputs, found.judgments) == (
        measured.overall,
        measured.tags,
        measured.outputs,
        measured.judgments,
    )
    assert [(one, other, each.agreement) for one, other, each in found.pairs] == [
        (one, other, each.agreement) for one, other, each in measured.pairs
    ]


@pytest.mark.django_db(transaction=True)
def test_while_one_computes_nobody_else_does_and_nobody_waits() -> None:
    campaign = factories.campaign("helpdesk")
    made = asked(campaign)
    with transaction.atomic(), elsewhere() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM quality_assessment WHERE id = %s FOR UPDATE", [made.pk])
        assert not actions.compute(assessment_id=made.pk, clock=lambda: NOW)
        assert asked(campaign).pk == made.pk
        cursor.execute("ROLLBACK")
    assert actions.compute(assessment_id=made.pk, clock=lambda: NOW)


class elsewhere:  # noqa: N801 - reads as an adverb where it stands
    """A cursor of another connection."""

    def __enter__(self) -> Any:
        self.connection = connections["default"].copy()
        return self.connection.cursor()

    def __exit__(self, *_: object) -> None:
        self.connection.close()
