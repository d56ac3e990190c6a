"""Tags: the version in force, how it came to be, and a form that saves the next one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotate import clock
from annotate.campaigns import actions, queries
from annotate.campaigns.models import Campaign
from frontend import doors, tag_rows


@require_safe
@doors.campaign_page()
def tags(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """The version in force, or an older one by `?version=N`."""
    current = queries.current_tag_set(campaign=campaign)
    asked = request.GET.get("version", "")
    shown = current
    if asked and asked != str(current.version):
        version = doors.whole_number(asked, field="version")
        shown = queries.tag_set_version(campaign=campaign, version=version)
    context = {
        "tag_set": shown,
        "is_current": shown == current,
        "versions": queries.tag_set_versions(campaign=campaign)[:50],
        "may_edit": request.campaign_role == doors.ADMIN,
    }
    return doors.render(request, "campaign_tags.html", context, campaign=campaign, tab="tags")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(doors.ADMIN)
def edit(request: doors.Request, campaign: Campaign) -> HttpResponse:
    current = queries.current_tag_set(campaign=campaign)
    if request.method != "POST":
        rows = tag_rows.rows([actions.draft_of(tag) for tag in current.tags.all()])
        return _form(request, campaign, tag_set=current, rows=rows)
    drafts = tag_rows.posted(request.POST)
    try:
        saved = actions.save_tag_set(campaign=campaign, by=request.user, tags=drafts, now=clock.now())
    except actions.TagsRefused as error:
        rows = tag_rows.rows(drafts, errors=error.errors)
        return _form(request, campaign, tag_set=current, rows=rows, error=error, status=422)
    if saved == current:
        messages.info(request, "Nothing was different, so there is no new version.")
    else:
        messages.success(request, f"Version {saved.version} is in force. Judgments made before keep their version.")
    return HttpResponseRedirect(reverse("campaign-tags", args=[campaign.slug]))


def _form(request: doors.Request, campaign: Campaign, *, status: int = 200, **context: Any) -> HttpResponse:
    values = {**tag_rows.choices(), **context, "is_editing": True}
    return doors.render(request, "campaign_tags.html", values, campaign=campaign, tab="tags", status=status)


urls = [
    path("c/<slug:slug>/tags/", tags, name="campaign-tags"),
    path("c/<slug:slug>/tags/edit/", edit, name="campaign-tags-edit"),
]
