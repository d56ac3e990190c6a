"""Convergence: how much of what is wrong with a campaign's outputs has been seen, and whether that is enough."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints.convergence import actions, queries, saturation
from annotate.constraints.convergence.saturation import Estimate
from annotate.errors import NotAllowed, RuleError
from frontend import convergence_chart, doors
from frontend.cells import Cell
from frontend.convergence_chart import said
from worker.tasks import convergence as tasks

READERS = (doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
DEFAULTS = {"coverage": "0.95", "expected_new": "1", "reviews": "100"}
KINDS = {"all": "All reviewed outputs", "model": "Model or checkpoint", "batch": "Import", "language": "Language"}
COMPARED = ("seen", "once", "twice", "chao2", "coverage", "new")
LEFT_OUT = (
    ("gold", "with known errors: planted or found before"),
    ("evaluate", "imported to be evaluated: chosen for a comparison"),
    ("priority", "put before others in the queue"),
    ("programs", "judged by scripts or models only"),
    ("undecided", "of which no person could tell"),
    ("skipped", "skipped, and judged by nobody: what is hard to judge may be missing"),
)


@dataclass(frozen=True)
class Row:
    """A slice in the table."""

    key: str
    kind: str
    value: str
    units: str
    cells: list[Cell | None]


@dataclass(frozen=True)
class SetRow:
    """An approved set in the table of what is still allowed."""

    step: queries.Step
    checks: queries.CheckStep
    people: Cell | None
    own: Cell | None
    so_far: Cell | None


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*READERS)
def convergence(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method != "POST":
        return _page(request, campaign)
    if request.campaign_role != doors.ADMIN:
        raise NotAllowed(f"Admins of {campaign.name} decide when enough was seen; you can read the figures.")
    action = ACTIONS.get(request.POST.get("action", ""))
    try:
        if action is None:
            raise RuleError("This page has no such action. Reload it and try again.")
        action(request, campaign)
    except RuleError as error:
        return _page(request, campaign, error=error)
    return HttpResponseRedirect(reverse("convergence", args=[campaign.slug]))


def _set_rule(request: doors.Request, campaign: Campaign) -> None:
    actions.set_stop_rule(
        campaign=campaign,
        coverage=_number(request, "coverage"),
        expected_new=_number(request, "expected_new"),
        reviews=doors.whole_number(request.POST.get("reviews", ""), field="reviews"),
        by=request.user,
        now=clock.now(),
    )
    messages.success(request, "The stop rule is set.")


def _remove_rule(request: doors.Request, campaign: Campaign) -> None:
    actions.remove_stop_rule(campaign=campaign, by=request.user, now=clock.now())
    messages.success(request, "There is no stop rule any more.")


def _redraw(request: doors.Request, campaign: Campaign) -> None:
    made = actions.redraw_probe(campaign=campaign, by=request.user, now=clock.now())
    tasks.compute.nudge(campaign.pk)
    messages.success(request, f"The probe set has {len(made.output_ids)} outputs now. Reload in some seconds.")


ACTIONS: dict[str, Callable[[doors.Request, Campaign], None]] = {
    "rule": _set_rule,
    "remove": _remove_rule,
    "probe": _redraw,
}


def _number(request: doors.Request, field: str) -> float:
    text = request.POST.get(field, "").strip()
    try:
        return float(text)
    except ValueError as error:
        raise RuleError(f"“{text}” is not a number.", field=field) from error


def _page(request: doors.Request, campaign: Campaign, *, error: RuleError | None = None) -> HttpResponse:
    report = queries.report(campaign=campaign)
    context: dict[str, Any] = {"report": report, "error": error, "typed": _typed(request, report)}
    if report is not None:
        context |= _shown(report, request.GET.get("slice", ""))
    status = 200 if error is None else 422
    return doors.render(request, "convergence.html", context, campaign=campaign, tab="constraints", status=status)


def _typed(request: doors.Request, report: queries.Report | None) -> dict[str, Any]:
    if request.POST.get("action") == "rule":
        return {field: request.POST.get(field, "") for field in DEFAULTS}
    if report is None or report.rule is None:
        return dict(DEFAULTS)
    rule = report.rule
    return {"coverage": f"{rule.coverage:g}", "expected_new": f"{rule.expected_new:g}", "reviews": rule.reviews}


def _shown(report: queries.Report, key: str) -> dict[str, Any]:
    rows = [_row(each) for each in report.slices]
    place = next((place for place, row in enumerate(rows) if row.key == key), 0)
    chosen = report.slices[place]
    return {
        "chosen": rows[place],
        "slice": chosen,
        "figures": _figures(chosen.merged),
        "merged_cells": [_figures(chosen.merged)[name] for name in COMPARED],
        "separate_cells": [] if chosen.separate is None else [_figures(chosen.separate)[name] for name in COMPARED],
        "chart": convergence_chart.chart(chosen.merged.curve, units=chosen.units),
        "points": [_point(each) for each in chosen.merged.curve],
        "fresh": (_share(chosen.without_known), _share(chosen.with_new)),
        "other": _share(report.other),
        "rows": rows,
        "unsliced": [(KINDS[kind], count) for kind, count in report.unsliced.items()],
        "left_out": [(report.left_out.get(name, 0), about) for name, about in LEFT_OUT],
        "stop": _stop(report),
        "farthest": said(saturation.farthest(chosen.merged.incidence)),
        **_contraction(report),
    }


def _contraction(report: queries.Report) -> dict[str, Any]:
    rows = [
        SetRow(
            step=step,
            checks=checks,
            people=_share(step.survivors),
            own=_share(checks.own) if checks.checked else None,
            so_far=_share(checks.so_far) if ever else None,
        )
        for step, checks, ever in zip(report.steps, report.check_steps, _ever_checked(report), strict=True)
    ]
    latest = rows[-1] if rows else None
    return {
        "steps": rows,
        "latest": latest,
        "uncovered_more": latest.checks.without - len(report.uncovered) if latest else 0,
        "contraction": convergence_chart.contraction(
            revisions=[row.step.revision for row in rows],
            people=[_between(row.step.survivors) for row in rows],
            checks=[None if row.so_far is None else row.checks.so_far.share for row in rows],
        ),
    }


def _ever_checked(report: queries.Report) -> list[bool]:
    """Of each set, whether it or one before it has a check that looked at the probe."""
    return list(itertools.accumulate((each.checked > 0 for each in report.check_steps), operator.or_))


def _between(share: queries.Share) -> tuple[float, float, float] | None:
    return None if share.share is None or share.interval is None else (share.share, *share.interval)


def _row(each: queries.Slice) -> Row:
    figures = _figures(each.merged)
    return Row(
        key="" if each.kind == "all" else f"{each.kind}:{each.value}",
        kind=KINDS[each.kind],
        value=each.value,
        units=said(each.units),
        cells=[figures[name] for name in ("seen", "chao2", "coverage", "new")] + [_share(each.without_known)],
    )


def _figures(sight: queries.Sight) -> dict[str, Cell | None]:
    new = None if sight.new is None else sight.new.estimate
    return {
        "seen": Cell(said(sight.incidence.observed)),
        "chao2": _cell(sight.chao2, said),
        "coverage": None if sight.coverage is None else _cell(sight.coverage, _percent),
        "new": None if new is None else _cell(new, _tenth),
        "once": Cell(said(sight.incidence.once)),
        "twice": Cell(said(sight.incidence.twice)),
    }


def _stop(report: queries.Report) -> dict[str, Any] | None:
    if report.rule is None or report.stop is None:
        return None
    stop = report.stop
    return {
        "is_met": stop.is_met,
        "is_early": stop.is_early,
        "coverage": None if stop.coverage is None else _cell(stop.coverage, _percent),
        "new": None if stop.new is None else _cell(stop.new.estimate, _tenth),
        "wanted": _percent(report.rule.coverage),
        "few": f"{report.rule.expected_new:g}",
    }


def _cell(estimate: Estimate, say: Callable[[float], str]) -> Cell:
    return Cell(say(estimate.value), f"{say(estimate.low)}–{say(estimate.high)}")


def _share(share: queries.Share) -> Cell | None:
    if share.share is None or share.interval is None:
        return None
    low, high = share.interval
    return Cell(f"{100 * share.share:.0f} %", f"{100 * low:.0f}–{100 * high:.0f}, of {said(share.of)}")


def _point(point: Sequence[float | None]) -> list[str]:
    units, mean, low, high, seen = point
    return [said(units or 0), *(_tenth(each or 0) for each in (mean, low, high)), "" if seen is None else said(seen)]


def _percent(share: float) -> str:
    """Never rounded up to all, nor down to nothing."""
    if 0 < share < 1:
        return f"{min(99.9, max(0.1, 100 * share)):.1f} %"
    return f"{100 * share:.0f} %"


def _tenth(value: float) -> str:
    return f"{value:,.1f}".replace(",", "\u2009")


urls = [path("c/<slug:slug>/constraints/convergence/", convergence, name="convergence")]
