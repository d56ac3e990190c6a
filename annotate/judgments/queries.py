"""Reads of judgments for other rooms and the doors."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.judgments import drafts
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


def undoable(*, campaign: Campaign, annotator: User, since: datetime) -> Judgment | None:
    """Return the annotator's newest judgment when it was submitted since then, with the `token` of its lease."""
    newest = mine(campaign=campaign, annotator=annotator).filter(created_at__gte=since, is_surplus=False)
    return newest.first()


def mine(*, campaign: Campaign, annotator: User) -> QuerySet[Judgment]:
    """Return the annotator's current judgments under a lease, newest first, each with the lease's `token`."""
    leases = Lease.objects.filter(output=OuterRef("output"), annotator=OuterRef("annotator"))
    judged = Judgment.objects.filter(campaign=campaign, annotator=annotator, is_current=True)
    return judged.annotate(token=Subquery(leases.values("token"))).exclude(token=None).order_by("-created_at", "-id")


def marked(*, judgment: Judgment) -> dict[str, Any]:
    """Return a stored judgment as the marks of a page."""
    given = as_drafts(judgment=judgment)
    return marks(violations=given, comment=judgment.comment, verdict=judgment.verdict)


def marks(*, violations: Iterable[ViolationDraft], comment: str, verdict: str) -> dict[str, Any]:
    """Return marks in the form in which pages send them and drafts keep them."""
    return {"violations": drafts.to_json(violations), "comment": comment, "verdict": verdict}


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
