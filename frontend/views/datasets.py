"""Dataset versions: the list, the request form with its preview, one version, and its files."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate import clock
from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints import queries as constraint_queries
from annotate.constraints.models import ConstraintSet
from annotate.errors import RuleError
from annotate.quality import judges
from frontend import doors, paging
from training_bridge.exports import actions, builders, queries
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest
from worker.tasks import exports as export_tasks

ROLES = (doors.ADMIN, doors.RESEARCHER)
SETS_OFFERED = 50
FIRST_VALUES = {"format": "kto", "min_judgments": "1", "seed": "0", "holdout": "0", "kinds": judges.PEOPLE}


@never_cache
@require_safe
@doors.campaign_page(*ROLES)
def datasets(request: doors.Request, campaign: Campaign) -> HttpResponse:
    page = paging.by_id(queries.of_campaign(campaign=campaign), request)
    context = {
        "page": page,
        "is_live": any(_is_live(each) for each in page.items),
        "has_set": constraint_queries.latest_set(campaign=campaign) is not None,
    }
    template = "datasets.html#rows" if request.htmx else "datasets.html"
    return doors.render(request, template, context, campaign=campaign, tab="datasets")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*ROLES)
def dataset_new(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method != "POST":
        return _form(request, campaign, values=_first_values(campaign))
    values = _typed(request.POST)
    try:
        chosen = _set(campaign, values)
        if request.POST.get("action") == "preview":
            return _form(request, campaign, values=values, preview=_preview(campaign, chosen, values))
        made = actions.request(
            campaign=campaign,
            constraint_set=chosen,
            format=values["format"],
            options=_options(values),
            by=request.user,
            now=clock.now(),
        )
    except RuleError as error:
        return _form(request, campaign, values=values, error=error)
    export_tasks.build.nudge(made.pk)
    return HttpResponseRedirect(reverse("dataset", args=[campaign.slug, made.version]))


@never_cache
@require_safe
@doors.campaign_page(*ROLES)
def dataset(request: doors.Request, campaign: Campaign, version: int) -> HttpResponse:
    found = queries.dataset(campaign=campaign, version=version)
    facts = found.manifest
    context: dict[str, Any] = {
        "dataset": found,
        "about": builders.FORMATS[found.format].ABOUT,
        "is_live": _is_live(found),
        "counts": facts.get("counts"),
        "left_out": _labelled(facts.get("counts", {}).get("left_out", {})),
        "kinds": _kinds(facts.get("counts", {}).get("judgments_by_kind", {})),
        "severities": facts.get("counts", {}).get("severities", {}),
        "constraints": sorted(
            facts.get("constraint_set", {}).get("constraints", []), key=lambda each: (-each["rows"], each["id"])
        ),
        "files": _files(found),
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
        "option_kinds": [User.Kind(kind).label for kind in found.options.get("kinds", [])],
    }
    template = "dataset.html#version" if request.htmx else "dataset.html"
    return doors.render(request, template, context, campaign=campaign, tab="datasets")


@require_POST
@doors.campaign_page(*ROLES)
def dataset_retry(request: doors.Request, campaign: Campaign, version: int) -> HttpResponse:
    found = queries.dataset(campaign=campaign, version=version)
    actions.retry(dataset=found, by=request.user, now=clock.now())
    export_tasks.build.nudge(found.pk)
    return HttpResponseRedirect(reverse("dataset", args=[campaign.slug, version]))


@require_safe
@doors.campaign_page(*ROLES)
def dataset_file(request: doors.Request, campaign: Campaign, version: int, name: str) -> HttpResponseBase:
    """Stream one of the files the manifest names; any other name is a 404, whatever it looks like."""
    found = queries.file(dataset=queries.dataset(campaign=campaign, version=version), name=name)
    saved_as = f"{campaign.slug}-v{version}-{name}"
    return FileResponse(
        found.open("rb"), as_attachment=True, filename=saved_as, content_type="application/octet-stream"
    )


def _form(
    request: doors.Request,
    campaign: Campaign,
    *,
    values: dict[str, Any],
    preview: queries.Preview | None = None,
    error: RuleError | None = None,
) -> HttpResponse:
    context = {
        "values": values,
        "sets": constraint_queries.sets(campaign=campaign)[:SETS_OFFERED],
        "formats": [(name, builder.NAME, builder.ABOUT) for name, builder in builders.FORMATS.items()],
        "kind_choices": [(kind, User.Kind(kind).label) for kind in judges.KINDS],
        "preview": preview,
        "left_out": _labelled(preview.counts["left_out"]) if preview else [],
        "preview_kinds": _kinds(preview.counts["judgments_by_kind"]) if preview else [],
        "error": error,
    }
    template = "dataset_new.html#preview" if request.htmx else "dataset_new.html"
    status = 200 if error is None else 422
    return doors.render(request, template, context, campaign=campaign, tab="datasets", status=status)


def _first_values(campaign: Campaign) -> dict[str, Any]:
    latest = constraint_queries.latest_set(campaign=campaign)
    return {**FIRST_VALUES, "constraint_set": str(latest.revision) if latest else ""}


def _typed(posted: QueryDict) -> dict[str, Any]:
    names = ("format", "constraint_set", "min_judgments", "seed", "holdout")
    return {**{name: posted.get(name, "").strip() for name in names}, "kinds": posted.getlist("kinds")}


def _set(campaign: Campaign, values: dict[str, Any]) -> ConstraintSet:
    revision = values["constraint_set"]
    if not (revision.isascii() and revision.isdigit() and len(revision) < 10):
        raise actions.CannotRequest("Choose an approved constraint set.", field="constraint_set")
    return constraint_queries.constraint_set(campaign=campaign, revision=int(revision))


def _preview(campaign: Campaign, chosen: ConstraintSet, values: dict[str, Any]) -> queries.Preview:
    return queries.preview(campaign=campaign, constraint_set=chosen, format=values["format"], options=_options(values))


def _options(values: dict[str, Any]) -> dict[str, Any]:
    """Read what was typed as numbers; what is no number goes on as it is and is refused with its name."""
    return {
        "min_judgments": _number(values["min_judgments"]),
        "seed": _number(values["seed"]),
        "holdout": _number(values["holdout"]),
        "kinds": values["kinds"],
    }


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _is_live(dataset: DatasetVersion) -> bool:
    return dataset.state in (DatasetVersion.State.REQUESTED, DatasetVersion.State.BUILDING)


def _files(dataset: DatasetVersion) -> list[dict[str, Any]]:
    described = dataset.manifest.get("files", {})
    return [
        {
            "name": each.name,
            "bytes": each.stat().st_size,
            "sha256": dataset.manifest_sha256 if each.name == manifest.NAME else described[each.name]["sha256"],
        }
        for each in queries.files(dataset)
    ]


def _labelled(left_out: dict[str, int]) -> list[tuple[str, int]]:
    return [(name.replace("_", " "), count) for name, count in left_out.items() if count]


def _kinds(counts: dict[str, int]) -> list[tuple[str, int]]:
    return [(str(User.Kind(kind).label), count) for kind, count in counts.items() if count]


urls = [
    path("c/<slug:slug>/datasets/", datasets, name="datasets"),
    path("c/<slug:slug>/datasets/new/", dataset_new, name="dataset-new"),
    path("c/<slug:slug>/datasets/<int:version>/", dataset, name="dataset"),
    path("c/<slug:slug>/datasets/<int:version>/retry/", dataset_retry, name="dataset-retry"),
    path("c/<slug:slug>/datasets/<int:version>/files/<str:name>", dataset_file, name="dataset-file"),
]
