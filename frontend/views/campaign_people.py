"""People of a campaign: roles, one-time links, and the programs that judge, listed apart."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import actions, queries
from annotate.campaigns.models import Campaign, Membership
from annotate.errors import RuleError
from frontend import doors, progress

ROLES = (
    ("annotator", "annotator", "judges outputs; sees no model names and nobody else's judgments"),
    ("reviewer", "reviewer", "judges, reads every judgment, shapes the constraints"),
    ("researcher", "researcher", "reads everything, builds datasets and starts runs"),
    ("admin", "admin", "all of it, and people, tags and settings"),
)


@require_safe
@doors.campaign_page(doors.ADMIN)
def people(request: doors.Request, campaign: Campaign) -> HttpResponse:
    return _page(request, campaign)


@never_cache
@require_POST
@doors.campaign_page(doors.ADMIN)
def invite(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Answers with the link itself: only its hash is kept, so this is the one time it can be read."""
    name, role = request.POST.get("name", ""), request.POST.get("role", "")
    try:
        token = actions.invite(campaign=campaign, by=request.user, name=name, role=role, now=clock.now())
    except RuleError as error:
        return _page(request, campaign, error=error, typed_name=name, status=422)
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    return _page(request, campaign, link=link, invited_name=name, invited_role=role)


@require_POST
@doors.campaign_page(doors.ADMIN)
def withdraw(request: doors.Request, campaign: Campaign, invitation_id: int) -> HttpResponse:
    actions.withdraw_invitation(campaign=campaign, invitation_id=invitation_id, by=request.user, now=clock.now())
    messages.success(request, "The link no longer works.")
    return _back(campaign)


@require_POST
@doors.campaign_page(doors.ADMIN)
def change_role(request: doors.Request, campaign: Campaign, user_id: int) -> HttpResponse:
    role = request.POST.get("role", "")
    try:
        membership = actions.change_role(
            campaign=campaign, user_id=user_id, role=role, by=request.user, now=clock.now()
        )
    except (actions.LastAdmin, actions.RoleUnknown) as error:
        return _page(request, campaign, error=error, status=422)
    messages.success(request, f"{membership.user} is now {membership.get_role_display()}.")
    return _back(campaign)


@require_POST
@doors.campaign_page(doors.ADMIN)
def remove(request: doors.Request, campaign: Campaign, user_id: int) -> HttpResponse:
    try:
        actions.remove_member(campaign=campaign, user_id=user_id, by=request.user, now=clock.now())
    except actions.LastAdmin as error:
        return _page(request, campaign, error=error, status=422)
    messages.success(request, "Removed. What they judged stays.")
    return _back(campaign)


def _page(request: doors.Request, campaign: Campaign, *, status: int = 200, **more: Any) -> HttpResponse:
    members = queries.members(campaign=campaign).filter(user__kind=User.Kind.PERSON)
    context = {
        "members": members,
        "programs": progress.programs(campaign=campaign),
        "invitations": queries.open_invitations(campaign=campaign, now=clock.now()),
        "roles": ROLES,
        "role_choices": Membership.Role.choices,
        **more,
    }
    return doors.render(request, "campaign_people.html", context, campaign=campaign, tab="people", status=status)


def _back(campaign: Campaign) -> HttpResponse:
    return HttpResponseRedirect(reverse("campaign-people", args=[campaign.slug]))


urls = [
    path("c/<slug:slug>/people/", people, name="campaign-people"),
    path("c/<slug:slug>/people/invite/", invite, name="campaign-people-invite"),
    path("c/<slug:slug>/people/invitations/<int:invitation_id>/withdraw/", withdraw, name="campaign-people-withdraw"),
    path("c/<slug:slug>/people/<int:user_id>/role/", change_role, name="campaign-people-role"),
    path("c/<slug:slug>/people/<int:user_id>/remove/", remove, name="campaign-people-remove"),
]
