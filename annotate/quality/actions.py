"""Every write to assessments: asked for by people, computed by a sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Membership
from annotate.errors import NotFound
from annotate.quality import assessing, assessment_queries, judges
from annotate.quality.assessing import Question
from annotate.quality.models import AssessedAnnotator, Assessment

ROLES = (Membership.Role.ADMIN, Membership.Role.REVIEWER)

Clock = Callable[[], datetime]


@transaction.atomic
def request(*, campaign: Campaign, question: Question, by: User, now: datetime) -> Assessment:
    """Have a question answered, or answered again, soon. Asking twice is asking once.

    While it is being computed nothing changes, and nobody waits for that. Raises NotAllowed for whoever is neither
    admin nor reviewer, NotFound for a tag that is not in force and for a choice of annotators that there is not.
    """
    campaign_queries.require(user=by, slug=campaign.slug, roles=ROLES)
    _check(campaign, question)
    row, _ = Assessment.objects.get_or_create(campaign=campaign, **asdict(question))
    free = Assessment.objects.select_for_update(skip_locked=True).filter(pk=row.pk, requested_at=None).first()
    if free is None:
        return row
    free.requested_at = now
    free.save(update_fields=["requested_at"])
    return free


@transaction.atomic
def due(*, now: datetime) -> list[int]:
    """Return the assessments to be computed now, the longest awaited first.

    Opens those that are kept up in every campaign that was judged. Reads a line of each campaign, no judgments.
    """
    marks = assessment_queries.fingerprints()
    Assessment.objects.bulk_create(
        (Assessment(campaign_id=pk, **asdict(each)) for pk, each in assessment_queries.missing(marks=marks)),
        ignore_conflicts=True,
    )
    return assessment_queries.due_ids(marks=marks, now=now)


@transaction.atomic
def compute(*, assessment_id: int, clock: Clock) -> bool:
    """Answer the question from the judgments that stand. Returns whether there was anything to do, and nobody at it.

    The fingerprint is read before the judgments: what changes meanwhile makes the next sweep compute again.
    """
    rows = Assessment.objects.select_for_update(of=("self",), skip_locked=True).select_related("campaign")
    row = rows.filter(pk=assessment_id).first()
    if row is None:
        return False
    now, mark = clock(), assessment_queries.standing(campaign=row.campaign)
    if row.requested_at is None and row.computed_at is not None and row.fingerprint == mark:
        return False
    _answer(row)
    row.fingerprint, row.requested_at, row.computed_at = mark, None, now
    row.seconds = (clock() - now).total_seconds()
    row.save()
    return True


def _answer(row: Assessment) -> None:
    question = assessment_queries.question_of(row)
    if row.subject == Assessment.Subject.AGREEMENT:
        row.figures = assessing.agreement_now(campaign=row.campaign, question=question)
        return
    row.figures, annotators = assessing.reliability_now(campaign=row.campaign, question=question)
    AssessedAnnotator.objects.filter(assessment=row).delete()
    AssessedAnnotator.objects.bulk_create(
        (AssessedAnnotator(assessment=row, annotator_id=pk, figures=each) for pk, each in annotators.items()),
        batch_size=1000,
    )


def _check(campaign: Campaign, question: Question) -> None:
    if question.judged_by not in judges.TOGETHER:
        raise NotFound("There is no such choice of annotators.")
    slugs = {tag.slug for tag in campaign_queries.tags_in_force(campaign=campaign)}
    if question.tag_slug and question.tag_slug not in slugs:
        raise NotFound("The campaign's tag set in force has no such tag.")
