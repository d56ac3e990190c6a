"""Schedules: when and on what condition to retrain, and what came of every due moment."""

from __future__ import annotations

from datetime import time
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotate import clock, errors
from annotate.campaigns.models import Campaign
from frontend import doors, paging, run_settings
from training_bridge.runs import models, queries, schedule_actions

OFFERED = 200
FIRST = {"method": "d2o", "at_time": "03:00", "min_new_judgments": "100", "every_days": "1"}


@never_cache
@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def schedules(request: doors.Request, campaign: Campaign) -> HttpResponse:
    now = clock.now()
    rows = campaign.schedules.select_related("base").order_by("pk")[:OFFERED]
    firings = models.ScheduleFiring.objects.filter(schedule__campaign=campaign)
    context = {
        "schedules": [(each, schedule_actions.next_moment(each, now=now)) for each in rows],
        "page": paging.by_id(firings.select_related("schedule", "dataset", "run"), request, 25),
        "zone": schedule_actions.zone(),
    }
    return doors.render(request, "schedules.html", context, campaign=campaign, tab="schedules")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def schedule_form(request: doors.Request, campaign: Campaign, schedule_id: int | None = None) -> HttpResponse:
    schedule = queries.schedule_of(campaign=campaign, schedule_id=schedule_id) if schedule_id else None
    if request.method != "POST":
        values = _held(schedule) if schedule else {**run_settings.defaults(), **FIRST}
        return _form(request, campaign, schedule, values=values, problems={})
    values = {"continue_from_latest": "", **run_settings.typed(request.POST)}
    hyperparameters, sampling, problems = run_settings.read(values)
    try:
        draft = _draft(campaign, values, hyperparameters, sampling)
        if not problems:
            schedule_actions.save(campaign=campaign, draft=draft, by=request.user, now=clock.now(), schedule=schedule)
    except errors.RuleError as error:
        problems.setdefault(error.field or "form", error.message)
    if problems:
        return _form(request, campaign, schedule, values=values, problems=problems)
    messages.success(request, "Saved.")
    return _back(campaign)


@require_POST
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def switch(request: doors.Request, campaign: Campaign, schedule_id: int) -> HttpResponse:
    schedule = queries.schedule_of(campaign=campaign, schedule_id=schedule_id)
    is_enabled = request.POST.get("enabled") == "on"
    schedule_actions.set_enabled(schedule=schedule, is_enabled=is_enabled, by=request.user, now=clock.now())
    return _back(campaign)


@require_POST
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def delete(request: doors.Request, campaign: Campaign, schedule_id: int) -> HttpResponse:
    schedule = queries.schedule_of(campaign=campaign, schedule_id=schedule_id)
    schedule_actions.delete(schedule=schedule, by=request.user, now=clock.now())
    messages.success(request, "Deleted. The runs it started stay.")
    return _back(campaign)


def _form(
    request: doors.Request,
    campaign: Campaign,
    schedule: models.Schedule | None,
    *,
    values: dict[str, str],
    problems: dict[str, str],
) -> HttpResponse:
    context = {
        "schedule": schedule,
        "methods": models.SCHEDULED_METHODS,
        "bases": queries.checkpoints_of(campaign=campaign).order_by("-pk")[:OFFERED],
        "values": values,
        "problems": problems,
        "form": run_settings.form(campaign=campaign, values=values, problems=problems),
        "zone": schedule_actions.zone(),
    }
    status = 422 if problems else 200
    return doors.render(request, "schedule_new.html", context, campaign=campaign, tab="schedules", status=status)


def _draft(
    campaign: Campaign, values: dict[str, str], hyperparameters: dict[str, Any], sampling: dict[str, Any]
) -> schedule_actions.Draft:
    """Raises CannotSchedule for a field that is not of its kind."""
    return schedule_actions.Draft(
        name=values.get("name", ""),
        method=values.get("method", ""),
        base=queries.checkpoint_of(
            campaign=campaign, checkpoint_id=_number(values, "base", "Choose a base checkpoint.")
        ),
        at_time=_time(values.get("at_time", "")),
        min_new_judgments=_number(values, "min_new_judgments", "Give a whole number."),
        every_days=_number(values, "every_days", "Give a whole number."),
        continue_from_latest=bool(values.get("continue_from_latest")),
        hyperparameters=hyperparameters,
        sampling=sampling,
    )


def _number(values: dict[str, str], name: str, message: str) -> int:
    text = values.get(name, "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise schedule_actions.CannotSchedule(message, field=name)
    return int(text)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text.strip()).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError as error:
        raise schedule_actions.CannotSchedule("Give a time like 03:00.", field="at_time") from error


def _held(schedule: models.Schedule) -> dict[str, str]:
    stored = run_settings.held(hyperparameters=schedule.hyperparameters, choice=schedule.sampling)
    return {
        **stored,
        "name": schedule.name,
        "method": schedule.method,
        "base": str(schedule.base_id),
        "at_time": f"{schedule.at_time:%H:%M}",
        "min_new_judgments": str(schedule.min_new_judgments),
        "every_days": str(schedule.every_days),
        "continue_from_latest": "on" if schedule.continue_from_latest else "",
    }


def _back(campaign: Campaign) -> HttpResponse:
    return HttpResponseRedirect(reverse("schedules", args=[campaign.slug]))


urls = [
    path("c/<slug:slug>/schedules/", schedules, name="schedules"),
    path("c/<slug:slug>/schedules/new/", schedule_form, name="schedule-new"),
    path("c/<slug:slug>/schedules/<int:schedule_id>/", schedule_form, name="schedule"),
    path("c/<slug:slug>/schedules/<int:schedule_id>/switch/", switch, name="schedule-switch"),
    path("c/<slug:slug>/schedules/<int:schedule_id>/delete/", delete, name="schedule-delete"),
]
