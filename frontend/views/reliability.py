"""How far each annotator can be relied on, worked out from judgments alone: no gold is needed, overlap is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag
from annotate.errors import NotFound
from annotate.quality import reliability, reliability_queries
from annotate.quality.reliability_queries import Said
from frontend import doors, paging

ROLES = (doors.ADMIN, doors.REVIEWER)
ANNOTATORS_SHOWN = 25
DIFFERING_SHOWN = 20
JUDGMENTS_AT_MOST = 50_000


@dataclass(frozen=True)
class Cell:
    """One figure as a page prints it: percentages; no interval where none could be worked out."""

    share: int
    low: int | None
    high: int | None


@require_safe
@doors.campaign_page(*ROLES)
def page(request: doors.Request, campaign: Campaign) -> HttpResponse:
    tags = campaign_queries.tags_in_force(campaign=campaign)
    tag = _tag(tags, request.GET.get("tag", ""))
    with_gold = request.GET.get("gold") == "1"
    said = reliability_queries.said(
        campaign=campaign, tag_slug=tag.slug if tag else "", with_gold=with_gold, at_most=JUDGMENTS_AT_MOST
    )
    found = reliability.estimate(labels=said.labels)
    context: dict[str, Any] = {"tags": tags, "tag": tag, "with_gold": with_gold, "is_cut": said.is_cut, "found": found}
    context |= {"at_most": JUDGMENTS_AT_MOST, "shared_at_least": reliability.SHARED_AT_LEAST}
    if not found.refusal:
        context |= _shown(request, said, found)
    return doors.render(request, "reliability.html", context, campaign=campaign, tab="quality")


def _tag(tags: tuple[Tag, ...], slug: str) -> Tag | None:
    """Return the tag asked for; None for the verdict. Raises NotFound."""
    if not slug:
        return None
    for tag in tags:
        if tag.slug == slug:
            return tag
    raise NotFound("The campaign's tag set in force has no such tag.")


def _shown(request: doors.Request, said: Said, found: reliability.Reliability) -> dict[str, Any]:
    annotators = {int(pk): one for pk, one in zip(said.annotator_ids, found.annotators, strict=True)}
    people = paging.by_id(User.objects.filter(pk__in=list(annotators)), request, size=ANNOTATORS_SHOWN)
    differing = reliability.differing(found=found, at_most=DIFFERING_SHOWN + 1)
    opinions = reliability_queries.opinions(said=said, found=found, places=differing[:DIFFERING_SHOWN].tolist())
    return {
        "page": people,
        "rows": [_row(each, annotators[each.pk]) for each in people.items],
        "output_count": len(found.units),
        "prevalence": None if found.prevalence is None else _percent(found.prevalence),
        "differing": [
            {"opinion": each, "dawid_skene": _likely(each.dawid_skene), "mace": _likely(each.mace)} for each in opinions
        ],
        "differs_more": len(differing) > DIFFERING_SHOWN,
    }


def _row(annotator: User, one: reliability.Annotator) -> dict[str, Any]:
    figures = (
        ("Sensitivity", one.sensitivity),
        ("Specificity", one.specificity),
        ("Competence", one.competence),
    )
    return {"annotator": annotator, "one": one, "cells": [(label, _cell(share)) for label, share in figures]}


def _cell(share: reliability.Share | None) -> Cell | None:
    if share is None:
        return None
    low, high = (None if end is None else _percent(end) for end in (share.low, share.high))
    return Cell(share=_percent(share.value), low=low, high=high)


def _likely(probability: float) -> str:
    """Return a probability in words that never claim certainty."""
    percent = _percent(probability)
    return {0: "under 1 %", 100: "over 99 %"}.get(percent, f"{percent} %")


def _percent(share: float) -> int:
    return round(100 * share)


urls = [path("c/<slug:slug>/quality/reliability/", page, name="reliability")]
