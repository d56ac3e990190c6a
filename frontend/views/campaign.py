"""Overview of a campaign: how far it is, what was found, and what comes next."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path

from annotate.campaigns import queries as campaigns
from annotate.campaigns.models import Campaign
from annotate.verification import queries as verification
from frontend import doors, loop, progress
from frontend.views import skipped


@doors.campaign_page()
def overview(request: doors.Request, campaign: Campaign) -> HttpResponse:
    context: dict[str, Any] = {
        "progress": progress.of_campaigns(campaign_ids=[campaign.pk])[campaign.pk],
        "my_count": progress.judged_by(campaign=campaign, user_id=request.user.pk),
        "tag_set": campaigns.current_tag_set(campaign=campaign),
        "has_questions": request.campaign_role in doors.JUDGES
        and bool(verification.with_work(campaign_ids=[campaign.pk], annotator=request.user)),
    }
    if request.campaign_role != doors.ANNOTATOR:
        context |= _found(campaign)
        if request.campaign_role in skipped.ROLES:
            context["skipped_count"] = skipped.count(campaign=campaign)
        context["steps"] = loop.steps(campaign=campaign, role=request.campaign_role)
    return doors.render(request, "campaign.html", context, campaign=campaign, tab="overview")


def _found(campaign: Campaign) -> dict[str, Any]:
    """Everything an annotator must not see: what others judged."""
    names = {tag.slug: tag.name for tag in campaigns.current_tag_set(campaign=campaign).tags.all()}
    kinds = progress.counted(campaign=campaign)
    tags = progress.tags(campaign=campaign, kinds=kinds)
    most = max((tag["count"] for tag in tags), default=0)
    return {
        "verdicts": progress.verdicts(campaign=campaign, kinds=kinds),
        "is_of_programs": "person" not in kinds,
        "tags": [{**tag, "name": names.get(tag["tag__slug"], tag["tag__slug"]), "most": most} for tag in tags],
        "annotators": progress.annotators(campaign=campaign),
        "batches": campaign.batches.order_by("-pk")[:5],
    }


urls = [path("c/<slug:slug>/", overview, name="campaign")]
