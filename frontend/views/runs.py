"""Training runs: the list, the form, and one run as it goes."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate import clock, errors
from annotate.campaigns.models import Campaign
from annotate.constraints.checks import queries as check_queries
from frontend import doors, paging, run_checks, run_settings, visible_text
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import spec
from training_bridge.runs import actions, folder, models, queries, states
from worker.tasks import runs as run_tasks

OFFERED = 200
METHODS = (
    ("d2o", "D2O", "rejected answers only, held in place by answers of the base itself"),
    ("kto", "KTO", "rejected and accepted answers, each by itself"),
    ("npo", "NPO", "rejected answers against the base; accepted ones hold it in place by the retain weight"),
    ("simnpo", "SimNPO", "as NPO, without a reference: by the mean log-probability of a token"),
    ("bnf", "BNF", "rejected and accepted answers; a token counts less once it is rarer than in the base"),
    ("unlikelihood", "Unlikelihood", "marked words become unlikely, the other words of the answer likely"),
    ("cut", "CUT", "as unlikelihood, but critiques find the words: for rejected answers that have one"),
    ("gradient_ascent", "Gradient ascent", "pushes rejected answers down without bound, with guards: to compare with"),
    ("sft", "SFT", "accepted answers alone, or corrected ones: what training on rejections is compared with"),
    ("dpo", "DPO", "corrected answers over the rejected ones, against the base; both may fall, so watch the probe"),
    ("orpo", "ORPO", "corrected answers, and their odds over the rejected ones; no base holds it in place"),
    ("nsr", "NSR", "the model answers prompts, checks judge; wrong answers become rarer, right ones are left alone"),
    ("w_reinforce", "W-REINFORCE", "as NSR, and right answers become a little likelier"),
    ("sample", "Sample only", "trains nothing: the base answers prompts, to be judged or compared with"),
)


@never_cache
@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def runs(request: doors.Request, campaign: Campaign) -> HttpResponse:
    found = campaign.runs.select_related("base", "dataset", "checkpoint")
    page = paging.by_id(found, request)
    context = {"page": page, "is_live": any(not run.is_over for run in page.items)}
    template = "runs.html#rows" if request.htmx else "runs.html"
    return doors.render(request, template, context, campaign=campaign, tab="runs")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def run_new(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method != "POST":
        return _form(request, campaign, values=_first_values(request, campaign), problems={})
    values = run_settings.typed(request.POST)
    if "take_checks" in request.POST:
        trusted = run_checks.shown(check_queries.rewards(campaign=campaign))
        return _form(request, campaign, values={**values, "checks": trusted}, problems={})
    hyperparameters, sampling, problems = run_settings.read(values)
    if problems:
        return _form(request, campaign, values=values, problems=problems)
    try:
        run = actions.request(
            campaign=campaign,
            method=values.get("method", ""),
            base=_base(campaign, values.get("base", "")),
            dataset=_dataset(campaign, values),
            hyperparameters=hyperparameters,
            sampling=sampling,
            checks=_checks(values),
            by=request.user,
            now=clock.now(),
        )
    except errors.RuleError as error:
        return _form(request, campaign, values=values, problems={_field_of(error): error.message})
    run_tasks.advance.nudge(run.pk)
    return HttpResponseRedirect(reverse("run", args=[campaign.slug, run.pk]))


@never_cache
@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def run(request: doors.Request, campaign: Campaign, run_id: int) -> HttpResponse:
    found = queries.run_of(campaign=campaign, run_id=run_id)
    place = folder.of(found)
    context: dict[str, Any] = {
        "run": found,
        "log": visible_text.pieces(queries.log_tail(run=found)),
        "can_cancel": found.state in states.UNFINISHED and not found.cancel_requested_at and found.phase != "importing",
        "can_resume": found.state in states.RESUMABLE,
        "is_problem": found.state in (states.FAILED, states.LOST),
    }
    if request.htmx:
        return doors.render(request, "run.html#state", context, campaign=campaign, tab="runs")
    context |= {
        "spec": json.dumps(_spec(found), indent=2, ensure_ascii=False),
        "folder": str(place.path) if found.folder else "",
        "samples": getattr(found, "sample_batch", None),
    }
    return doors.render(request, "run.html", context, campaign=campaign, tab="runs")


@never_cache
@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def events(request: doors.Request, campaign: Campaign, run_id: int) -> JsonResponse:
    """The trainer's events from byte `?after=` on. `is_over`: there will be no more once `has_more` is false."""
    found = queries.run_of(campaign=campaign, run_id=run_id)
    after = request.GET.get("after", "0")
    start = int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0
    part = queries.events(run=found, after=start)
    return JsonResponse({"events": part.events, "next": part.next, "has_more": part.has_more, "is_over": found.is_over})


@require_POST
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def cancel(request: doors.Request, campaign: Campaign, run_id: int) -> HttpResponse:
    actions.cancel(run=queries.run_of(campaign=campaign, run_id=run_id), by=request.user, now=clock.now())
    run_tasks.advance.nudge(run_id)
    return _to_run(campaign, run_id)


@require_POST
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def resume(request: doors.Request, campaign: Campaign, run_id: int) -> HttpResponse:
    actions.resume(run=queries.run_of(campaign=campaign, run_id=run_id), by=request.user, now=clock.now())
    run_tasks.advance.nudge(run_id)
    messages.success(request, "The run is in line again. It continues from its last saved step.")
    return _to_run(campaign, run_id)


def _form(
    request: doors.Request, campaign: Campaign, *, values: dict[str, str], problems: dict[str, str]
) -> HttpResponse:
    bases = queries.checkpoints_of(campaign=campaign).order_by("-pk")[:OFFERED]
    ready = campaign.dataset_versions.filter(state=DatasetVersion.State.READY).order_by("-version")[:OFFERED]
    context = {
        "methods": METHODS,
        "bases": bases,
        "datasets": ready,
        "check_examples": run_checks.EXAMPLES,
        "trusted_count": len(check_queries.rewards(campaign=campaign)),
        "values": values,
        "problems": problems,
        "form": run_settings.form(campaign=campaign, values=values, problems=problems),
    }
    status = 422 if problems else 200
    return doors.render(request, "run_new.html", context, campaign=campaign, tab="runs", status=status)


def _first_values(request: doors.Request, campaign: Campaign) -> dict[str, str]:
    """An untouched form, or the settings of `?like=RUN`; `?base=` and `?dataset=` choose those."""
    like = request.GET.get("like", "")
    base, version = request.GET.get("base", ""), request.GET.get("dataset", "")
    if like.isascii() and like.isdigit() and len(like) < 19:
        run = queries.run_of(campaign=campaign, run_id=int(like))
        held = run_settings.held(hyperparameters=run.hyperparameters, choice=run.sampling)
        chosen = str(run.dataset.version) if run.dataset else ""
        checks = run_checks.shown(run.checks)
        return {**held, "method": run.method, "base": str(run.base_id), "dataset": chosen, "checks": checks}
    found = campaign.dataset_versions.filter(state=DatasetVersion.State.READY).order_by("-version")
    if version.isascii() and version.isdigit() and len(version) < 9:
        found = found.filter(version=int(version))
    dataset = found.first()
    method, chosen = (_usual(dataset), str(dataset.version)) if dataset else ("d2o", "")
    return {**run_settings.defaults(), "method": method, "base": base, "dataset": chosen}


def _usual(dataset: DatasetVersion) -> str:
    """The first method whose usual rows the dataset has."""
    return next(method for method, formats in spec.ROWS.items() if formats[0] == dataset.format)


def _base(campaign: Campaign, typed: str) -> models.Checkpoint:
    if not typed.isascii() or not typed.isdigit() or len(typed) > 18:
        raise actions.CannotRequest("Choose a base checkpoint.", field="base")
    try:
        return queries.checkpoint_of(campaign=campaign, checkpoint_id=int(typed))
    except errors.NotFound as error:
        raise actions.CannotRequest(error.message, field="base") from error


def _dataset(campaign: Campaign, values: dict[str, str]) -> DatasetVersion | None:
    """The chosen version. Some methods have none, whatever the form still shows as chosen."""
    typed = values.get("dataset", "")
    if values.get("method") in models.WITHOUT_DATASET or not typed.isascii() or not typed.isdigit():
        return None
    return campaign.dataset_versions.filter(version=int(typed[:9])).first()


def _checks(values: dict[str, str]) -> list[dict[str, Any]]:
    """The checks that were typed. Only some methods have any, whatever the form still holds."""
    return run_checks.read(values.get("checks", "")) if values.get("method") in spec.ON_POLICY else []


def _field_of(error: errors.RuleError) -> str:
    """The sampling fields have a prefix in the form; those of the parts have none."""
    return f"{run_settings.SAMPLE}{error.field}" if error.field in ("prompt_batch", "count") else error.field or "form"


def _spec(run: models.Run) -> dict[str, Any]:
    asked = {"method": run.method, "hyperparameters": run.hyperparameters, "sampling": run.sampling}
    return {**asked, "checks": run.checks} if run.checks else asked


def _to_run(campaign: Campaign, run_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("run", args=[campaign.slug, run_id]))


urls = [
    path("c/<slug:slug>/runs/", runs, name="runs"),
    path("c/<slug:slug>/runs/new/", run_new, name="run-new"),
    path("c/<slug:slug>/runs/<int:run_id>/", run, name="run"),
    path("c/<slug:slug>/runs/<int:run_id>/events/", events, name="run-events"),
    path("c/<slug:slug>/runs/<int:run_id>/cancel/", cancel, name="run-cancel"),
    path("c/<slug:slug>/runs/<int:run_id>/resume/", resume, name="run-resume"),
]
