"""Home: the campaigns of whoever is signed in, each with its progress and one large way in."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path

from annotate.campaigns import queries as campaigns
from annotate.campaigns.models import Campaign
from annotate.verification import queries as verification
from frontend import doors, progress


@doors.signed_in
def home(request: doors.Request) -> HttpResponse:
    found = sorted(
        campaigns.campaigns_of(user=request.user)[:200], key=lambda each: each.state == Campaign.State.CLOSED
    )
    done = progress.of_campaigns(campaign_ids=[campaign.pk for campaign in found])
    asking = verification.with_work(campaign_ids=[campaign.pk for campaign in found], annotator=request.user)
    cards = [
        {
            "campaign": campaign,
            "role": campaign.my_role,  # type: ignore[attr-defined]
            "progress": done[campaign.pk],
            "can_judge": campaign.my_role in doors.JUDGES,  # type: ignore[attr-defined]
            "has_questions": campaign.pk in asking,
        }
        for campaign in found
    ]
    return doors.render(request, "home.html", cards=cards)


urls = [path("", home, name="home")]
