"""How far campaigns are: reads across rooms for the home page and the overview. Gold is in none of their counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake import queries as intake_queries
from annotate.intake.models import Output
from annotate.judgments.models import Judgment, Violation
from annotate.quality import judges
from annotate.queue.models import QueueItem


@dataclass(frozen=True)
class Progress:
    """`done_count` outputs have all the judgments that the campaign's overlap asks for.

    `aside_count` were set aside before anybody judged them; they are none of the others.
    """

    output_count: int = 0
    done_count: int = 0
    aside_count: int = 0

    @property
    def left_count(self) -> int:
        return self.output_count - self.done_count


@dataclass(frozen=True)
class Share:
    label: str
    name: str
    count: int
    of: int

    @property
    def percent(self) -> float:
        return 100 * self.count / self.of if self.of else 0.0


def of_campaigns(*, campaign_ids: Sequence[int]) -> dict[int, Progress]:
    """One query for all of them."""
    rows = (
        QueueItem.objects.filter(campaign__in=campaign_ids, shelf__is_gold=False)
        .order_by()
        .values_list("campaign")
        .annotate(
            outputs=Count("pk", filter=Q(overlap__gt=0)),
            done=Count("pk", filter=Q(overlap__gt=0, judged_count__gte=F("overlap"))),
            aside=Count("pk", filter=Q(overlap=0)),
        )
    )
    found = {
        campaign: Progress(output_count=count, done_count=done, aside_count=aside)
        for campaign, count, done, aside in rows
    }
    return {each: found.get(each, Progress()) for each in campaign_ids}


def counted(*, campaign: Campaign) -> tuple[str, ...]:
    """Whose verdicts and tags the overview counts: people's, or programs' where no person judged. Never both."""
    is_of_people = _judgments(campaign).filter(annotator__kind__in=judges.PEOPLE).exists()
    return judges.PEOPLE if is_of_people else judges.PROGRAMS


def verdicts(*, campaign: Campaign, kinds: Sequence[str]) -> list[Share]:
    """Shares of the current judgments' verdicts, in the order of the enum."""
    theirs = _judgments(campaign).filter(annotator__kind__in=kinds)
    counts = dict(theirs.order_by().values_list("verdict").annotate(Count("pk")))
    of = sum(counts.values())
    return [
        Share(label=verdict.label, name=verdict.value, count=counts.get(verdict.value, 0), of=of)
        for verdict in Judgment.Verdict
    ]


def tags(*, campaign: Campaign, kinds: Sequence[str], limit: int = 12) -> Sequence[Mapping[str, Any]]:
    """The tags most often applied in current judgments: slug, count and how many of each severity."""
    return list(
        Violation.objects.filter(judgment__campaign=campaign, judgment__is_current=True)
        .filter(judgment__annotator__kind__in=kinds)
        .exclude(judgment__output__in=_gold(campaign))
        .order_by()
        .values("tag__slug")
        .annotate(
            count=Count("pk"),
            minor=Count("pk", filter=Q(severity="minor")),
            major=Count("pk", filter=Q(severity="major")),
            critical=Count("pk", filter=Q(severity="critical")),
        )
        .order_by("-count", "tag__slug")[:limit]
    )


def annotators(*, campaign: Campaign, limit: int = 20) -> Sequence[Mapping[str, Any]]:
    """Who judged how much, people and programs alike; each row says which it is."""
    return list(
        _judgments(campaign)
        .order_by()
        .values("annotator__username", "annotator__name", "annotator__kind")
        .annotate(count=Count("pk"), rejected=Count("pk", filter=Q(verdict="rejected")))
        .order_by("-count", "annotator__username")[:limit]
    )


def programs(*, campaign: Campaign, limit: int = 100) -> Sequence[Mapping[str, Any]]:
    """Scripts, models and external annotators whose judgments are here. None of them can sign in."""
    return list(
        Judgment.objects.filter(campaign=campaign, is_current=True)
        .exclude(annotator__kind=User.Kind.PERSON)
        .order_by()
        .values("annotator__username", "annotator__name", "annotator__kind")
        .annotate(count=Count("pk"))
        .order_by("-count", "annotator__username")[:limit]
    )


def judged_by(*, campaign: Campaign, user_id: int) -> int:
    """Gold included: whoever counts their own work finds no difference."""
    return Judgment.objects.filter(campaign=campaign, is_current=True, annotator=user_id).count()


def _judgments(campaign: Campaign) -> QuerySet[Judgment]:
    return Judgment.objects.filter(campaign=campaign, is_current=True).exclude(output__in=_gold(campaign))


def _gold(campaign: Campaign) -> QuerySet[Output, int]:
    return intake_queries.gold(campaign_id=campaign.pk).values_list("pk", flat=True)
