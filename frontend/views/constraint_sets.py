"""Constraint sets: what approving would freeze, the approved revisions and what each changed, and constitutions."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate import clock
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints import actions, queries
from annotate.constraints.constitution import actions as constitution_actions
from annotate.constraints.constitution import queries as constitution_queries
from annotate.constraints.constitution import reading as constitution_reading
from annotate.constraints.models import Constraint, ConstraintSet
from annotate.constraints.revisions import changes as revisions
from annotate.constraints.revisions import queries as revisions_queries
from annotate.errors import RuleError
from frontend import doors, paging
from frontend.views import constraints

SETS_OFFERED = 50
SHOWN_AT_MOST = 50
RECHECKED = ("check added", "check changed", "check removed")
FORMS = (("json", "JSON"), ("yaml", "YAML"), ("md", "Markdown"))


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*constraints.READERS)
def constraint_sets(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method != "POST":
        return _page(request, campaign)
    constraints.require_decider(request, campaign)
    try:
        made = actions.approve(campaign=campaign, by=request.user, now=clock.now())
    except RuleError as refused:
        return _page(request, campaign, error=refused)
    messages.success(request, f"Constraint set {made.revision} is approved. It never changes.")
    return HttpResponseRedirect(reverse("constraint-sets", args=[campaign.slug]))


@require_POST
@doors.campaign_page(*constraints.READERS)
def constitution_import(request: doors.Request, campaign: Campaign) -> HttpResponse:
    constraints.require_decider(request, campaign)
    file = request.FILES.get("constitution")
    try:
        if file is None:
            raise RuleError("Choose the file of a constitution, JSON or YAML.", field="constitution")
        found = constitution_actions.import_constitution(
            campaign=campaign,
            data=file.read(constitution_reading.LARGEST + 1),
            by=request.user,
            now=clock.now(),
        )
    except RuleError as refused:
        return _page(request, campaign, error=refused)
    messages.success(request, _told(found))
    return HttpResponseRedirect(reverse("constraint-sets", args=[campaign.slug]))


@require_safe
@doors.campaign_page(*constraints.READERS)
def constraint_set(request: doors.Request, campaign: Campaign, revision: int) -> HttpResponse:
    found = queries.constraint_set(campaign=campaign, revision=revision)
    latest = queries.latest_set(campaign=campaign)
    since = _since(request, campaign, found)
    context = {
        "set": found,
        "latest": latest,
        "rows": _rows(found, latest),
        "since": since,
        "earlier": queries.sets(campaign=campaign).filter(revision__lt=found.revision)[:SETS_OFFERED],
        "changes": None if since is None else _shown(revisions_queries.diff(before=since, after=found)),
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
        "forms": FORMS,
    }
    return doors.render(request, "constraint_sets.html", context, campaign=campaign, tab="constraints")


@require_safe
@doors.campaign_page(*constraints.READERS)
def constitution(request: doors.Request, campaign: Campaign, revision: int, form: str) -> HttpResponse:
    """Hand out the bytes of a set as a constitution."""
    found = queries.constraint_set(campaign=campaign, revision=revision)
    data, media_type = constitution_queries.written(constraint_set=found, form=form)
    name = f"{campaign.slug}-constitution-{revision}.{form}"
    return HttpResponse(
        data, content_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _page(request: doors.Request, campaign: Campaign, *, error: RuleError | None = None) -> HttpResponse:
    last = queries.latest_set(campaign=campaign)
    accepted = Constraint.objects.filter(campaign=campaign, state=Constraint.State.ACCEPTED)
    context = {
        "last": last,
        "accepted_count": accepted.count(),
        "changes": _shown(revisions_queries.diff_now(campaign=campaign)),
        "page": paging.by_id(queries.sets(campaign=campaign), request, size=20),
        "can_decide": request.campaign_role in constraints.DECIDERS,
        "error": error,
        "problems": getattr(error, "problems", ()),
    }
    status = 200 if error is None else 422
    return doors.render(request, "constraint_sets.html", context, campaign=campaign, tab="constraints", status=status)


def _since(request: doors.Request, campaign: Campaign, found: ConstraintSet) -> ConstraintSet | None:
    """Return the earlier set that the address names, or the one before; None for the first."""
    asked = request.GET.get("since", "")
    if asked:
        before = revisions_queries.constraint_set(campaign=campaign, revision=asked)
        return before if before.revision < found.revision else None
    return queries.sets(campaign=campaign).filter(revision__lt=found.revision).first()


def _rows(found: ConstraintSet, latest: ConstraintSet | None) -> list[dict[str, Any]]:
    """Return the entries, the largest first, each with what it is in the latest set when that is another one."""
    later = {}
    if latest is not None and latest != found:
        mapped = revisions_queries.mapping(before=found, after=latest)
        later = {each.entry.pk: each.later for each in mapped}
    entries = queries.entries(constraint_set=found).select_related("check_version")
    return [{"entry": entry, "later": later.get(entry.pk)} for entry in entries]


def _shown(diff: revisions.Diff) -> list[dict[str, Any]]:
    """Return each kind of change with the first of its rows and how many there are beside."""
    kinds = (
        ("added", diff.added),
        ("reworded", diff.reworded),
        ("merged", diff.merged),
        ("split", diff.split),
        ("retired", diff.retired),
        *((kind, [each for each in diff.rechecked if each.kind == kind]) for kind in RECHECKED),
        ("members", diff.resized),
    )
    return [
        {"kind": kind, "rows": rows[:SHOWN_AT_MOST], "more": max(0, len(rows) - SHOWN_AT_MOST)}
        for kind, rows in kinds
        if rows
    ]


def _told(found: constitution_actions.Imported) -> str:
    parts = (
        (found.made, "new"),
        (found.accepted, "accepted that were candidates"),
        (found.known, "here already"),
        (found.left, "left dismissed, as somebody decided here"),
    )
    return f"Imported: {', '.join(f'{count} {words}' for count, words in parts if count)}."


urls = [
    path("c/<slug:slug>/constraints/sets/", constraint_sets, name="constraint-sets"),
    path("c/<slug:slug>/constraints/sets/import/", constitution_import, name="constitution-import"),
    path("c/<slug:slug>/constraints/sets/<int:revision>/", constraint_set, name="constraint-set"),
    path("c/<slug:slug>/constraints/sets/<int:revision>/constitution.<str:form>", constitution, name="constitution"),
]
