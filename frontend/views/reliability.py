"""How far each annotator can be relied on, worked out from judgments alone: no gold is needed, overlap is."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag
from annotate.errors import NotFound
from annotate.quality import assessing, assessment_queries, reliability
from annotate.quality.assessing import Question
from annotate.quality.models import Assessment
from frontend import assessments, doors, paging
from frontend.cells import Cell

ROLES = (doors.ADMIN, doors.REVIEWER)
ANNOTATORS_SHOWN = 25


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*ROLES)
def page(request: doors.Request, campaign: Campaign) -> HttpResponse:
    tags = campaign_queries.tags_in_force(campaign=campaign)
    tag = _tag(tags, request.GET.get("tag", ""))
    question = Question(
        subject=Assessment.Subject.RELIABILITY,
        tag_slug=tag.slug if tag else "",
        with_gold=request.GET.get("gold") == "1",
    )
    if request.method == "POST":
        return assessments.ask(request, campaign, question)
    context: dict[str, Any] = {"tags": tags, "tag": tag, "with_gold": question.with_gold}
    context |= {"at_most": assessing.JUDGMENTS_AT_MOST, "shared_at_least": reliability.SHARED_AT_LEAST}
    context |= assessments.context(campaign=campaign, question=question)
    if context["is_computed"]:
        context |= _shown(request, context["assessment"])
    template = "reliability.html#figures" if request.htmx else "reliability.html"
    return doors.render(request, template, context, campaign=campaign, tab="quality")


def _tag(tags: tuple[Tag, ...], slug: str) -> Tag | None:
    """Return the tag asked for; None for the verdict. Raises NotFound."""
    if not slug:
        return None
    for tag in tags:
        if tag.slug == slug:
            return tag
    raise NotFound("The campaign's tag set in force has no such tag.")


def _shown(request: doors.Request, assessment: Assessment) -> dict[str, Any]:
    found = assessing.reliability_then(assessment.figures)
    if found.refusal:
        return {"found": found}
    people = paging.by_id(assessment_queries.annotators(assessment=assessment), request, size=ANNOTATORS_SHOWN)
    figures = assessment_queries.of_annotators(assessment=assessment, ids=[each.pk for each in people.items])
    return {
        "found": found,
        "page": people,
        "rows": [_row(each, figures[each.pk]) for each in people.items],
        "prevalence": None if found.prevalence is None else _percent(found.prevalence),
        "differing": [
            {"opinion": each, "dawid_skene": _likely(each.dawid_skene), "mace": _likely(each.mace)}
            for each in found.differing
        ],
    }


def _row(annotator: User, one: reliability.Annotator) -> dict[str, Any]:
    return {
        "annotator": annotator,
        "one": one,
        "cells": [_cell(share) for share in (one.sensitivity, one.specificity, one.competence)],
    }


def _cell(share: reliability.Share | None) -> Cell | None:
    if share is None:
        return None
    if share.low is None or share.high is None:
        return Cell(f"{_percent(share.value)} %", "no interval")
    return Cell(f"{_percent(share.value)} %", f"{_percent(share.low)}–{_percent(share.high)}")


def _likely(probability: float) -> str:
    """Return a probability in words that never claim certainty."""
    percent = _percent(probability)
    return {0: "under 1 %", 100: "over 99 %"}.get(percent, f"{percent} %")


def _percent(share: float) -> int:
    return round(100 * share)


urls = [path("c/<slug:slug>/quality/reliability/", page, name="reliability")]
