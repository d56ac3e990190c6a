"""Reads of judgments for other rooms and the doors."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Tag, TagSet
from annotate.judgments.drafts import ViolationDraft
from annotate.judgments.models import Judgment, Violation
from annotate.queue.models import Lease


def current(*, campaign: Campaign) -> QuerySet[Judgment]:
    """Return the campaign's judgments that no later revision replaces."""
    return Judgment.objects.filter(campaign=campaign, is_current=True)


def for_api(*, campaign: Campaign) -> QuerySet[Judgment]:
    """Return current judgments, oldest first, with all that the API shows: three statements for a page of any size."""
    return (
        current(campaign=campaign)
        .select_related("output", "annotator", "tag_set")
        .prefetch_related("violations__tag")
        .order_by("id")
    )


def tags_in_force(*, campaign: Campaign) -> list[Tag]:
    """Return the tags of the campaign's highest tag set version, each with its tag set, in one statement."""
    newest = TagSet.objects.filter(campaign=OuterRef("tag_set__campaign")).order_by("-version").values("pk")[:1]
    return list(
        Tag.objects.filter(tag_set__campaign=campaign, tag_set=Subquery(newest))
        .select_related("tag_set")
        .order_by("position", "id")
    )


def judged_since(*, campaign: Campaign, annotator: User, since: datetime) -> int:
    """Return how many outputs the annotator has judged in the campaign since then."""
    return Judgment.objects.filter(
        annotator=annotator, campaign=campaign, created_at__gte=since, is_current=True
    ).count()


def last_of(*, lease: Lease) -> Judgment | None:
    """Return the lease holder's own current judgment of the output, with its violations."""
    return (
        Judgment.objects.filter(output_id=lease.output_id, annotator_id=lease.annotator_id, is_current=True)
        .prefetch_related("violations__tag")
        .first()
    )


def submitted(*, campaign: Campaign, annotator: User, token: uuid.UUID) -> Judgment | None:
    """Return the annotator's current judgment under the lease with this token, with its `violation_count`."""
    mine = Judgment.objects.filter(
        campaign=campaign,
        annotator=annotator,
        is_current=True,
        output__leases__token=token,
        output__leases__annotator=annotator,
    )
    count = Violation.objects.filter(judgment=OuterRef("pk")).order_by().values("judgment").annotate(n=Count("pk"))
    return mine.annotate(violation_count=Coalesce(Subquery(count.values("n")), 0)).first()


def as_drafts(*, judgment: Judgment) -> list[ViolationDraft]:
    """Return a stored judgment's violations in the form they were submitted in."""
    return [
        ViolationDraft(
            tag_slug=violation.tag.slug,
            scope=violation.scope,
            severity=violation.severity,
            start=violation.start,
            end=violation.end,
            critique=violation.critique,
            correction=violation.correction,
            source=violation.source,
        )
        for violation in judgment.violations.all()
    ]
