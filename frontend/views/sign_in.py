"""Coming in and going out: sign-in, one-time invitations, sign-out. There is no sign-up."""

from __future__ import annotations

from typing import Any

from axes.helpers import get_cool_off
from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from annotate import clock
from annotate.accounts import queries as accounts
from annotate.accounts.models import Invitation, User
from annotate.campaigns import actions as campaigns
from annotate.campaigns.models import Campaign
from annotate.errors import NotFound, RuleError
from frontend import doors

WRONG = "The username and password do not fit together. Check both; capital letters count in the password."
BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    after = doors.next_or(request, reverse("home"))
    if request.user.is_authenticated:
        return HttpResponseRedirect(after)
    username = request.POST.get("username", "").strip()
    if request.method != "POST":
        return _form(request, after=after)
    user = authenticate(request, username=username, password=request.POST.get("password", ""))
    if not isinstance(user, User) or user.kind != User.Kind.PERSON:
        return _form(request, after=after, username=username, error=WRONG, status=422)
    login(request, user)
    return HttpResponseRedirect(after)


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """What django-axes answers while a username is closed to an address after too many failures."""
    cool_off = get_cool_off(request)
    minutes = max(1, round(cool_off.total_seconds() / 60)) if cool_off else 0
    error = (
        f"Too many attempts failed, so this username is closed to your address. Wait {minutes} minutes, then try "
        "again. If you forgot your password, ask an admin for a new one."
    )
    username = request.POST.get("username", "").strip()
    return _form(request, after=doors.next_or(request, reverse("home")), username=username, error=error, status=429)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    logout(request)
    return HttpResponseRedirect(reverse("sign-in"))


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    try:
        found = accounts.invitation_of(token=token, now=clock.now())
    except RuleError as error:
        status = 404 if isinstance(error, NotFound) else 410
        return doors.render(request, "invitation.html", refusal=error.message, status=status)
    if request.method != "POST":
        return _invitation_form(request, found, name=found.name)
    try:
        campaign = _accepted(request, token=token)
    except RuleError as error:
        return _invitation_form(
            request,
            found,
            name=request.POST.get("name", ""),
            username=request.POST.get("username", ""),
            error=error,
            status=422,
        )
    return HttpResponseRedirect(reverse("campaign", args=[campaign.slug]) if campaign else reverse("home"))


def _accepted(request: HttpRequest, *, token: str) -> Campaign | None:
    if isinstance(request.user, User):
        return campaigns.join(token=token, user=request.user, now=clock.now())
    user = campaigns.accept_invitation(
        token=token,
        name=request.POST.get("name", ""),
        username=request.POST.get("username", ""),
        password=request.POST.get("password", ""),
        now=clock.now(),
    )
    login(request, user, backend=BACKEND)
    membership = user.memberships.select_related("campaign").first()
    return membership.campaign if membership else None


def _form(request: HttpRequest, *, after: str, username: str = "", error: str = "", status: int = 200) -> HttpResponse:
    context = {"next": after, "username": username, "error": error, "is_new": not accounts.is_anybody_here()}
    return doors.render(request, "sign_in.html", context, status=status)


def _invitation_form(
    request: HttpRequest,
    found: Invitation,
    *,
    name: str,
    username: str = "",
    error: RuleError | None = None,
    status: int = 200,
) -> HttpResponse:
    role = getattr(found, "campaign_role", None)
    context = {"invitation": found, "brings": role, "name": name, "username": username, "error": error}
    return doors.render(request, "invitation.html", context, status=status)


urls = [
    path("sign-in/", sign_in, name="sign-in"),
    path("sign-out/", sign_out, name="sign-out"),
    path("invite/<str:token>/", invitation, name="invitation"),
]
