"""All checks of a campaign: what they cover, where they overlap, and where people and a check disagree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import checking, judging_queries, precision
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks.models import Check, Judging
from annotate.errors import NotAllowed, RuleError
from frontend import doors, paging
from frontend.views import check as check_page

SHOWN = 10


@dataclass(frozen=True)
class Row:
    """A check with its counts in words: what it marks, and where it and people differ."""

    life: Check
    counts: precision.Counts
    judging: Judging | None

    @property
    def covered(self) -> int | None:
        """Of the outputs it was run on, the hundredths it marks."""
        return round(100 * self.life.violated_count / self.life.run_count) if self.life.run_count else None

    @property
    def measures(self) -> list[check_page.Measure]:
        return [
            check_page.Measure("precision", "", self.counts.precision),
            check_page.Measure("recall", "", self.counts.recall),
        ]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*check_page.READERS)
def checks(request: doors.Request, campaign: Campaign) -> HttpResponse:
    error = None
    if request.method == "POST":
        try:
            _set_rule(request, campaign)
        except RuleError as refused:
            error = refused
        else:
            messages.success(request, "The rule is stored. Checks that no longer earn trust fall back soon.")
            return HttpResponseRedirect(doors.address("checks", campaign=campaign))
    lives = check_queries.lives(campaign=campaign)
    rule, asking = check_queries.trust_rule(campaign=campaign), judging_queries.judgings(lives=lives)
    context: dict[str, Any] = {
        "rows": [
            Row(life=each, counts=check_queries.counts(each), judging=asking.get(each.current_id)) for each in lives
        ],
        "pairs": check_queries.together(lives=[each for each in lives if each.state in checking.RUNNING]),
        "disputed": check_queries.disputed(campaign=campaign).exists(),
        "typed": request.POST if error else {"precision": f"{rule.precision:g}", "adjudicated": rule.adjudicated},
        "error": error,
    }
    status = 200 if error is None else 422
    return doors.render(request, "checks.html", context, campaign=campaign, tab="constraints", status=status)


def _set_rule(request: doors.Request, campaign: Campaign) -> None:
    if request.campaign_role != doors.ADMIN:
        raise NotAllowed(f"Admins of {campaign.name} say when a check is trusted.")
    adjudicated = doors.whole_number(request.POST.get("adjudicated", ""), field="adjudicated")
    check_actions.set_trust_rule(
        campaign=campaign,
        precision=_number(request.POST.get("precision", "")),
        adjudicated=min(adjudicated, 2**31 - 1),
        by=request.user,
        now=clock.now(),
    )


def _number(typed: str) -> float:
    try:
        return float(typed)
    except ValueError:
        return math.nan


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*check_page.READERS)
def disagreements(request: doors.Request, campaign: Campaign) -> HttpResponse:
    error = None
    if request.method == "POST":
        try:
            _rule(request, campaign)
        except RuleError as refused:
            error = refused
        else:
            here = doors.address("check-disagreements", campaign=campaign)
            return HttpResponseRedirect(doors.next_or(request, here))
    found = check_queries.with_excerpts(check_queries.disputed(campaign=campaign))
    chosen = request.GET.get("constraint", "")
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
        found = found.filter(version__constraint=int(chosen))
    page = paging.by_id(found, request, size=SHOWN)
    context = {"page": page, "rows": _shown(page.items), "chosen": chosen, "error": error}
    status = 200 if error is None else 422
    return doors.render(
        request, "check_disagreements.html", context, campaign=campaign, tab="constraints", status=status
    )


def _rule(request: doors.Request, campaign: Campaign) -> None:
    number = doors.whole_number(request.POST.get("result", "")[:18], field="result")
    result = check_queries.result(campaign=campaign, result_id=number)
    side = request.POST.get("side", "")
    check_actions.rule(result=result, side=side, by=request.user, now=clock.now())
    messages.success(
        request, f"Output {result.output_id}: {'the check is' if side == 'check' else 'people are'} right."
    )


def _shown(results: Sequence[Any]) -> list[dict[str, Any]]:
    return [
        {
            "result": each,
            "messages": list(dict.fromkeys(finding["message"] for finding in each.findings)),
            "spans": check_page.spans(checking.moved(each.findings, start=each.cut_at)),
        }
        for each in results
    ]


urls = [
    path("c/<slug:slug>/checks/", checks, name="checks"),
    path("c/<slug:slug>/checks/disagreements/", disagreements, name="check-disagreements"),
]
