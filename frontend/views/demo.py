"""The demo: what it does, one button, its progress, and the table it ends with. For admins of this server."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.errors import NotAllowed, OutsideError, RuleError
from frontend import doors
from training_bridge.demo import actions, launch, models, queries, sizes, steps, table

SEED_MAX = 2**31 - 1

# The campaign's page on which a step can be seen; training runs and checkpoints have pages of their own.
PAGES = {
    "campaign": "campaign",
    "judge": "outputs",
    "constraints": "constraints",
    "datasets": "datasets",
    "evaluate": "outputs",
    "compare": "checkpoints",
}


@require_http_methods(["GET", "POST"])
@doors.signed_in
def demo(request: doors.Request) -> HttpResponse:
    """Show where the latest demo is; the page asks again every two seconds while one runs."""
    if not request.user.is_staff:
        raise NotAllowed("The demo trains a model on this server, so it is for its administrators. Ask one of them.")
    if request.method == "POST":
        return _start(request)
    actions.stop_silent(now=clock.now())
    template = "demo.html#state" if request.htmx else "demo.html"
    return doors.render(request, template, _context(queries.latest()))


def _start(request: doors.Request) -> HttpResponse:
    """Start a demo, or go on with the one of the same seed, in a process of its own."""
    typed = request.POST.get("seed", "1").strip()
    try:
        run = actions.request(seed=_seed(typed), size=sizes.FULL.name, by=request.user, now=clock.now())
    except RuleError as error:
        return doors.render(request, "demo.html", _context(queries.latest()), error=error, typed=typed, status=422)
    if run.state == models.DemoRun.State.RUNNING and run.claim is None:
        try:
            launch.start(run_id=run.pk)
        except OutsideError as error:
            actions.stop(run_id=run.pk, reason=str(error), now=clock.now())
    return HttpResponseRedirect(reverse("demo"))


def _seed(typed: str) -> int:
    seed = doors.whole_number(typed, field="seed")
    if not 0 <= seed <= SEED_MAX:
        raise RuleError(f"A seed is a whole number from 0 to {SEED_MAX}.", field="seed")
    return seed


def _context(run: models.DemoRun | None) -> dict[str, Any]:
    if run is None:
        return {"run": None, "seed": 1, "steps": [{"title": step.title} for step in steps.STEPS]}
    places = _places(run)
    return {
        "run": run,
        "is_running": run.state == models.DemoRun.State.RUNNING,
        "is_done": run.state == models.DemoRun.State.DONE,
        "percent": round(100 * run.progress),
        "seed": queries.next_seed(),
        "steps": [_step(step, run, places.get(step.key, "")) for step in steps.STEPS],
        "table": _table(run.table) if run.table else None,
        "log": log if (log := launch.log_of(run_id=run.pk)).exists() else None,
    }


def _step(step: steps.Step, run: models.DemoRun, url: str) -> dict[str, Any]:
    is_done = step.key in run.notes
    is_now = not is_done and step.key == (run.step or steps.KEYS[0])
    return {
        "title": step.title,
        "note": run.notes.get(step.key, ""),
        "message": run.message if is_now else "",
        "is_done": is_done,
        "is_now": is_now,
        "url": url if is_done or is_now else "",
    }


def _places(run: models.DemoRun) -> dict[str, str]:
    """Where each step can be looked at, as far as it is there."""
    if run.campaign is None:
        return {}
    found = {key: doors.address(name, campaign=run.campaign) for key, name in PAGES.items()}
    for method, each in queries.training_runs(run=run).items():
        found[method] = reverse("run", args=[run.campaign.slug, each.pk])
        found["base"] = reverse("checkpoint", args=[run.campaign.slug, each.base_id])
    return found


def _table(found: dict[str, Any]) -> dict[str, Any]:
    """Turn the stored table into rows of cells as the template shows them."""
    return {
        "title": table.title(found),
        "headline": table.headline(found),
        "methods": [name for _, name in table.METHODS],
        "rows": [
            {"statement": row["statement"], "cells": [_cell(row[key]) for key, _ in table.METHODS]}
            for row in found["rows"]
        ],
        "clean": [_cell(found["clean"][key]) for key, _ in table.METHODS],
        "footnote": table.FOOTNOTE,
    }


def _cell(counts: dict[str, Any]) -> dict[str, Any]:
    return {**counts, "p": table.p_value(counts["p"])}


urls = [path("demo/", demo, name="demo")]
