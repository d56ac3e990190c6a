"""Which judgments stand in campaigns, and the assessments that were made of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import QuerySet

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import assessing, reliability
from annotate.quality.assessing import Question
from annotate.quality.models import AssessedAnnotator, Assessment

REST_AT_LEAST, REST_TIMES = timedelta(minutes=1), 20
"""An assessment is left alone after it was computed: for so long, and for so many times what it took."""
MARGIN = 2000
"""Among so many of the newest judgments those are counted that one may have been withdrawn from, or stored late."""
KEPT_UP = tuple(Question(subject=subject) for subject in Assessment.Subject.values)
"""What the sweep keeps up to date in every campaign that was judged. The rest is computed when somebody asks."""


def assessment(*, campaign: Campaign, question: Question) -> Assessment | None:
    return Assessment.objects.filter(campaign=campaign, **asdict(question)).first()


def question_of(assessment: Assessment) -> Question:
    return Question(**{name: getattr(assessment, name) for name in Question.__annotations__})


def annotators(*, assessment: Assessment) -> QuerySet[User]:
    """Return those of whom the assessment says something."""
    return User.objects.filter(assessed__assessment=assessment)


def of_annotators(*, assessment: Assessment, ids: Collection[int]) -> dict[int, reliability.Annotator]:
    """Return what the assessment says of these annotators, by id."""
    rows = AssessedAnnotator.objects.filter(assessment=assessment, annotator__in=ids)
    return {pk: assessing.annotator_then(figures) for pk, figures in rows.values_list("annotator_id", "figures")}


def standing(*, campaign: Campaign) -> str:
    """Return a line that changes with the judgments that count in a campaign; empty where there are none."""
    return fingerprints(campaign_id=campaign.pk).get(campaign.pk, "")


def fingerprints(*, campaign_id: int | None = None) -> dict[int, str]:
    """Return that line for every campaign with judgments, or for this one. Each is read from the ends of indexes."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, {"campaign": campaign_id, "margin": MARGIN})
        return dict(cursor.fetchall())


def missing(*, marks: Collection[int]) -> list[tuple[int, Question]]:
    """Return what is to be kept up in these campaigns and was never opened there."""
    opened = set(_kept_up().values_list("campaign_id", "subject"))
    return [(pk, each) for pk in marks for each in KEPT_UP if (pk, each.subject) not in opened]


def due_ids(*, marks: Mapping[int, str], now: datetime) -> list[int]:
    """Return the assessments that somebody waits for, then those kept up that are behind their campaign's line and have
    rested."""
    asked = Assessment.objects.filter(requested_at__isnull=False).order_by("requested_at", "pk")
    behind = [
        pk
        for pk, campaign_id, mark, computed_at, seconds in _kept_up()
        .filter(requested_at=None)
        .order_by("pk")
        .values_list("pk", "campaign_id", "fingerprint", "computed_at", "seconds")
        if mark != marks.get(campaign_id, "") and _has_rested(computed_at, seconds, now)
    ]
    return [*asked.values_list("pk", flat=True), *behind]


def _kept_up() -> QuerySet[Assessment]:
    values = asdict(KEPT_UP[0])
    del values["subject"]
    return Assessment.objects.filter(**values)


def _has_rested(computed_at: datetime | None, seconds: float, now: datetime) -> bool:
    return computed_at is None or computed_at + max(REST_AT_LEAST, REST_TIMES * timedelta(seconds=seconds)) <= now


_STANDING = """
SELECT campaign.id, concat_ws('/', last.id, recent.stored, recent.standing)
FROM campaigns_campaign AS campaign
CROSS JOIN LATERAL (SELECT max(id) AS id FROM judgments_judgment WHERE campaign_id = campaign.id) AS last
CROSS JOIN LATERAL (
    SELECT count(*) AS stored, count(*) FILTER (WHERE is_current) AS standing FROM judgments_judgment AS judgment
    WHERE judgment.campaign_id = campaign.id AND judgment.id > last.id - %(margin)s
) AS recent
WHERE last.id IS NOT NULL AND (%(campaign)s::bigint IS NULL OR campaign.id = %(campaign)s)
"""
