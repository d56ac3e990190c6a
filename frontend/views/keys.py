"""Keys: which key does what for this person, and the door through which scripts change preferences."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotate import clock
from annotate.accounts import actions
from annotate.accounts import keys as known
from annotate.accounts.preferences import PreferencesRefused
from annotate.campaigns import queries as campaign_queries
from annotate.errors import RuleError
from frontend import doors, preferences

FIELD = "key-"
WRITTEN_AT_MOST = 200


@require_http_methods(["GET", "HEAD", "POST"])
@doors.signed_in
def keys(request: doors.Request) -> HttpResponse:
    """Show and change the keys; a refused form keeps what was typed."""
    if request.method != "POST":
        return _page(request)
    try:
        _set(request, _posted(request.POST))
    except PreferencesRefused as error:
        return _page(request, typed=request.POST, error=error, status=422)
    messages.success(request, "Your keys were saved.")
    return HttpResponseRedirect(reverse("keys"))


@require_POST
@doors.signed_in
def change(request: doors.Request) -> HttpResponse:
    """Take a change of preferences from a script; answers all of them."""
    try:
        changes = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise RuleError(f"The preferences arrived damaged ({error}).") from error
    if not isinstance(changes, dict):
        raise RuleError("Preferences are an object of names and values.")
    _set(request, changes)
    return JsonResponse({"preferences": preferences.for_page(request.user)})


def _set(request: doors.Request, changes: dict[str, Any]) -> None:
    taken = campaign_queries.tag_keys_of(user=request.user) if "keys" in changes else {}
    actions.set_preferences(user=request.user, changes=changes, now=clock.now(), taken=taken)


def _posted(post: QueryDict) -> dict[str, Any]:
    """Read the form. A field left empty, and the one whose reset was pressed, go back to the usual keys."""
    if "reset_all" in post:
        return {"keys": None}
    written = {
        name: [] if post.get("reset") == name else str(post[FIELD + name])[:WRITTEN_AT_MOST].split()
        for name in known.BY_NAME
        if FIELD + name in post
    }
    return {"keys": written, "single_keys": "single_keys" in post}


def _page(
    request: doors.Request,
    *,
    typed: QueryDict | None = None,
    error: PreferencesRefused | None = None,
    status: int = 200,
) -> HttpResponse:
    chosen = preferences.for_page(request.user)
    rows = [_row(each, typed=typed, error=error) for each in chosen["actions"]]
    context = {
        "groups": [(group, list(each)) for group, each in groupby(rows, key=lambda row: row["group"])],
        "has_single_keys": chosen["single_keys"] if typed is None else "single_keys" in typed,
        "error": error,
        "taken": campaign_queries.tag_keys_of(user=request.user),
    }
    return doors.render(request, "keys.html", context, status=status)


def _row(action: dict[str, Any], *, typed: QueryDict | None, error: PreferencesRefused | None) -> dict[str, Any]:
    name, usual = action["name"], known.BY_NAME[action["name"]].keys
    shown = " ".join(known.shown(key) for key in action["keys"])
    return {
        **action,
        "field": FIELD + name,
        "value": shown if typed is None else typed.get(FIELD + name, shown)[:WRITTEN_AT_MOST],
        "usual": " ".join(known.shown(key) for key in usual),
        "is_changed": tuple(action["keys"]) != usual,
        "error": error.problems.get(name, "") if error else "",
    }


urls = [
    path("account/keys/", keys, name="keys"),
    path("account/preferences/", change, name="preferences"),
]
