"""Settings of a campaign: its rules, and whether it is open."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotate import clock
from annotate.campaigns import actions
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError
from annotate.queue import actions as queue
from frontend import doors

TEXTS = ("name", "description", "guidelines")
NUMBERS = ("overlap", "lease_minutes", "gold_share", "assisted_share")
CHOICES = ("order", "stance")
TYPED = TEXTS + NUMBERS + CHOICES
ORDERS = (
    (
        Campaign.Order.DEPTH,
        "One output after the other",
        "An output gets all its judgments before the next one begins.",
    ),
    (
        Campaign.Order.BREADTH,
        "All outputs once, then again",
        "Every output gets one judgment before any gets a second.",
    ),
)
STANCES = (
    (Campaign.Stance.AS_WRITTEN, "As written", "Annotators read what the user wrote."),
    (Campaign.Stance.MASKED, "Masked", "They read the twin of the prompt that keeps the user's opinion out."),
    (Campaign.Stance.FLIPPED, "Flipped", "They read the twin in which the user holds the opposite opinion."),
)
SAID = {
    "active": "The campaign is open. Annotators can go on.",
    "paused": "The campaign is paused. Nobody gets another output until you resume it.",
    "closed": "The campaign is closed. You can reopen it here.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(doors.ADMIN)
def settings(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method != "POST":
        return _page(request, campaign, typed={field: getattr(campaign, field) for field in (*TYPED, "is_sensitive")})
    typed: dict[str, Any] = {field: request.POST.get(field, "").replace("\r\n", "\n").strip() for field in TYPED} | {
        "is_sensitive": bool(request.POST.get("is_sensitive"))
    }
    try:
        _save(request, campaign, typed)
    except RuleError as error:
        campaign.refresh_from_db()
        return _page(request, campaign, typed=typed, error=error, status=422)
    messages.success(request, "Saved.")
    return _back(campaign)


@require_POST
@doors.campaign_page(doors.ADMIN)
def state(request: doors.Request, campaign: Campaign) -> HttpResponse:
    actions.set_state(campaign=campaign, by=request.user, state=request.POST.get("state", ""), now=clock.now())
    messages.success(request, SAID[campaign.state])
    return _back(campaign)


@transaction.atomic
def _save(request: doors.Request, campaign: Campaign, typed: dict[str, Any]) -> None:
    """The rules and the queue that follows them change together. Campaigns lie below the queue, so the door does it."""
    numbers = {field: doors.whole_number(typed[field], field=field) for field in NUMBERS}
    others = {field: typed[field] for field in (*TEXTS, *CHOICES, "is_sensitive")}
    overlap_before = campaign.overlap
    actions.update_rules(campaign=campaign, by=request.user, now=clock.now(), **others, **numbers)
    if campaign.overlap != overlap_before:
        queue.set_overlap(campaign=campaign, overlap=campaign.overlap)


def _page(request: doors.Request, campaign: Campaign, *, status: int = 200, **context: Any) -> HttpResponse:
    context |= {"orders": ORDERS, "stances": STANCES}
    return doors.render(request, "campaign_settings.html", context, campaign=campaign, tab="settings", status=status)


def _back(campaign: Campaign) -> HttpResponse:
    return HttpResponseRedirect(reverse("campaign-settings", args=[campaign.slug]))


urls = [
    path("c/<slug:slug>/settings/", settings, name="campaign-settings"),
    path("c/<slug:slug>/settings/state/", state, name="campaign-state"),
]
