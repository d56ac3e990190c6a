"""Account: name, password, theme and API tokens. A token is shown in the answer that made it and never again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from annotate import clock
from annotate.accounts import actions, queries
from annotate.accounts.models import ApiToken
from annotate.errors import RuleError
from frontend import context, doors

A_YEAR = 365 * 24 * 3600


@require_safe
@doors.signed_in
def account(request: doors.Request) -> HttpResponse:
    return _page(request)


@require_POST
@doors.signed_in
def rename(request: doors.Request) -> HttpResponse:
    actions.rename(user=request.user, name=request.POST.get("name", ""), now=clock.now())
    messages.success(request, "Your name was saved.")
    return HttpResponseRedirect(reverse("account"))


@sensitive_post_parameters("current", "new")
@require_POST
@doors.signed_in
def change_password(request: doors.Request) -> HttpResponse:
    try:
        actions.change_password(
            user=request.user,
            current=request.POST.get("current", ""),
            new=request.POST.get("new", ""),
            now=clock.now(),
        )
    except RuleError as error:
        return _page(request, password_error=error, status=422)
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password was changed. You stay signed in here and are signed out elsewhere.")
    return HttpResponseRedirect(reverse("account"))


@never_cache
@require_POST
@doors.signed_in
def create_token(request: doors.Request) -> HttpResponse:
    name, scopes = request.POST.get("name", ""), request.POST.getlist("scopes")
    try:
        token, plaintext = actions.create_token(user=request.user, name=name, scopes=scopes, now=clock.now())
    except RuleError as error:
        return _page(request, token_error=error, token_name=name, token_scopes=scopes, status=422)
    return _page(request, made=token, plaintext=plaintext)


@require_POST
@doors.signed_in
def revoke_token(request: doors.Request, token_id: int) -> HttpResponse:
    actions.revoke_token(by=request.user, token_id=token_id, now=clock.now())
    messages.success(request, "The token was revoked. Whatever used it is refused from now on.")
    return HttpResponseRedirect(reverse("account"))


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie; an empty one follows the system again."""
    chosen = request.POST.get("theme", "")
    response = HttpResponseRedirect(doors.next_or(request, reverse("home")))
    if chosen in context.THEMES:
        response.set_cookie(
            context.THEME_COOKIE, chosen, max_age=A_YEAR, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    else:
        response.delete_cookie(context.THEME_COOKIE, samesite="Lax")
    return response


def _page(request: doors.Request, *, status: int = 200, **more: Any) -> HttpResponse:
    tokens = queries.tokens_of(user=request.user)
    return doors.render(request, "account.html", status=status, tokens=tokens, scopes=ApiToken.Scope.choices, **more)


urls = [
    path("account/", account, name="account"),
    path("account/name/", rename, name="account-name"),
    path("account/password/", change_password, name="account-password"),
    path("account/tokens/", create_token, name="account-tokens"),
    path("account/tokens/<int:token_id>/revoke/", revoke_token, name="account-token-revoke"),
    path("theme/", theme, name="theme"),
]
