"""A new campaign, with a tag set to start from that can be edited before the first save."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns import actions, tags
from annotate.errors import NotAllowed, RuleError
from frontend import doors, tag_rows

FIELDS = ("name", "slug", "description", "guidelines", "overlap")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.signed_in
def campaign_new(request: doors.Request) -> HttpResponse:
    if not request.user.is_staff:
        raise NotAllowed("Only administrators of this server make campaigns. Ask one of them.")
    if request.method != "POST":
        return _form(request, typed={"overlap": "1"}, rows=tag_rows.rows(tags.STARTING_SET))
    typed = {field: request.POST.get(field, "") for field in FIELDS}
    drafts = tag_rows.posted(request.POST)
    try:
        campaign = actions.create(
            by=request.user,
            slug=typed["slug"],
            name=typed["name"],
            description=typed["description"],
            guidelines=typed["guidelines"],
            overlap=doors.whole_number(typed["overlap"], field="overlap"),
            tags=drafts,
            now=clock.now(),
        )
    except RuleError as error:
        errors = error.errors if isinstance(error, actions.TagsRefused) else []
        return _form(request, typed=typed, rows=tag_rows.rows(drafts, errors=errors), error=error, status=422)
    messages.success(request, "The campaign was made. Import outputs next.")
    return HttpResponseRedirect(reverse("campaign", args=[campaign.slug]))


def _form(request: doors.Request, *, status: int = 200, **context: Any) -> HttpResponse:
    return doors.render(request, "campaign_new.html", {**tag_rows.choices(), **context}, status=status)


urls = [path("campaigns/new/", campaign_new, name="campaign-new")]
