"""What every page needs at its door: who is there, may they come in, and the frame the page is shown in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django import shortcuts
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.crypto import constant_time_compare
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import queries
from annotate.campaigns.models import Campaign, Membership
from annotate.errors import RuleError

View = Callable[..., HttpResponseBase]

ADMIN, REVIEWER, ANNOTATOR, RESEARCHER = Membership.Role.values
EVERYONE = (ADMIN, REVIEWER, ANNOTATOR, RESEARCHER)
JUDGES = (ADMIN, REVIEWER, ANNOTATOR)


class Request(HttpRequest):
    """A request as the views see it: somebody is signed in, and on campaign pages their role is known."""

    user: User
    htmx: HtmxDetails
    campaign_role: str


@dataclass(frozen=True)
class Tab:
    name: str
    label: str
    url_name: str
    roles: tuple[str, ...]


TABS = (
    Tab("overview", "Overview", "campaign", EVERYONE),
    Tab("outputs", "Outputs", "outputs", (ADMIN, REVIEWER, RESEARCHER)),
    Tab("tags", "Tags", "campaign-tags", EVERYONE),
    Tab("people", "People", "campaign-people", (ADMIN,)),
    Tab("quality", "Quality", "quality", (ADMIN, REVIEWER)),
    Tab("constraints", "Constraints", "constraints", (ADMIN, REVIEWER, RESEARCHER)),
    Tab("datasets", "Datasets", "datasets", (ADMIN, RESEARCHER)),
    Tab("runs", "Runs", "runs", (ADMIN, RESEARCHER)),
    Tab("checkpoints", "Checkpoints", "checkpoints", (ADMIN, RESEARCHER)),
    Tab("schedules", "Schedules", "schedules", (ADMIN, RESEARCHER)),
    Tab("settings", "Settings", "campaign-settings", (ADMIN,)),
)


def signed_in(view: View) -> View:
    """Send everybody who is not signed in to the sign-in page, and back here afterwards."""

    @wraps(view)
    def checked(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not isinstance(request.user, User):
            return _to_sign_in(request)
        return view(request, *args, **kwargs)

    return checked


def campaign_page(*roles: str) -> Callable[[View], View]:
    """Open `view(request, campaign, **kwargs)` to members with one of `roles` (none named: every member).

    Outsiders get the same 404 as for a campaign that does not exist; members with another role get a 403.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def checked(request: Request, slug: str, **kwargs: Any) -> HttpResponseBase:
            membership = _recognised(request, slug)
            if membership is not None and membership.role in (roles or EVERYONE):
                request.campaign_role = membership.role
                return view(request, membership.campaign, **kwargs)
            return asked(request, slug=slug, **kwargs)

        @signed_in
        def asked(request: Request, slug: str, **kwargs: Any) -> HttpResponseBase:
            campaign, request.campaign_role = queries.require_with_role(
                user=request.user, slug=slug, roles=roles or EVERYONE
            )
            return view(request, campaign, **kwargs)

        return checked

    return wrap


def render(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    campaign: Campaign | None = None,
    tab: str = "",
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """Render a page or one of its partials ("page.html#rows") inside the campaign's frame when there is one."""
    values = {**(context or {}), **more}
    if campaign is not None:
        role = getattr(request, "campaign_role", "")
        values |= {
            "campaign": campaign,
            "role": role,
            "tab": tab,
            "tabs": _tabs(campaign=campaign, role=role, current=tab),
            "can_judge": role in JUDGES,
        }
    response = shortcuts.render(request, template, values, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def wants_json(request: HttpRequest) -> bool:
    """Whether a page's own script is asking, rather than somebody looking."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def next_or(request: HttpRequest, fallback: str) -> str:
    """The address the form asked to go to, if it is ours; else `fallback`."""
    asked = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()):
        return asked
    return fallback


def address(url_name: str, *, campaign: Campaign) -> str:
    """Where a page of the campaign is that needs no more than its slug."""
    return reverse(url_name, args=[campaign.slug])


def whole_number(text: str, *, field: str) -> int:
    """What was typed as a number. Raises RuleError for the field."""
    try:
        return int(text)
    except ValueError as error:
        raise RuleError(f'"{text}" is not a whole number.', field=field) from error


def _recognised(request: Any, slug: str) -> Membership | None:
    """Return the membership of whoever is signed in, campaign joined, and let Django know them: one statement.

    None for whoever is not plainly recognised: Django's own way decides about them. Superusers go that way.
    """
    if hasattr(request, "_cached_user"):
        return None
    key = request.session.session_key
    found = key and queries.signed_in_member(session_key=key, slug=slug, now=clock.now())
    if not found:
        return None
    membership, encoded = found
    data = request.session.decode(encoded)
    is_theirs = data.get(SESSION_KEY) == str(membership.user_id)
    is_known = is_theirs and data.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    said = data.get(HASH_SESSION_KEY, "")
    if not is_known or not constant_time_compare(said, membership.user.get_session_auth_hash()):
        return None
    request.session.adopt(data)
    request._cached_user = membership.user
    return membership


def _to_sign_in(request: Request) -> HttpResponseBase:
    if wants_json(request):
        return JsonResponse({"message": "You are signed out. Sign in again in another tab, then go on."}, status=401)
    here = request.htmx.current_url_abs_path if request.htmx else request.get_full_path()
    address = f"{reverse('sign-in')}?{urlencode({'next': here or '/'})}"
    return HttpResponseClientRedirect(address) if request.htmx else HttpResponseRedirect(address)


def _tabs(*, campaign: Campaign, role: str, current: str) -> list[dict[str, Any]]:
    return [
        {"label": tab.label, "url": address(tab.url_name, campaign=campaign), "is_current": tab.name == current}
        for tab in TABS
        if role in tab.roles
    ]
