"""Quality: what each annotator found of the errors that are known."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import gold, queries
from frontend import doors, paging
from frontend.cells import Cell

ROLES = (doors.ADMIN, doors.REVIEWER)
ANNOTATORS_SHOWN = 25
GOLD_AT_MOST = 1000
COLUMNS = (
    ("found", "Errors found", "of the outputs with known errors, how many were rejected"),
    ("alarms", "False alarms", "of the outputs with nothing wrong, how many were rejected all the same"),
    ("tags", "Right tags", "of the tags of a known error, how many were applied"),
    ("recall", "Marked", "of the characters of a known error, how many were marked"),
    ("precision", "Marked rightly", "of the characters that were marked, how many belong to a known error"),
    ("f1", "Span F1", "both of these in one number"),
)


@require_safe
@doors.campaign_page(*ROLES)
def quality(request: doors.Request, campaign: Campaign) -> HttpResponse:
    known = queries.gold_ids(campaign=campaign, at_most=GOLD_AT_MOST + 1)
    shown = known[:GOLD_AT_MOST]
    page = paging.by_id(queries.measured(output_ids=shown), request, size=ANNOTATORS_SHOWN)
    return doors.render(
        request,
        "quality.html",
        campaign=campaign,
        tab="quality",
        page=page,
        rows=_rows(shown, page.items),
        columns=COLUMNS,
        known_count=len(shown),
        is_cut=len(known) > GOLD_AT_MOST,
    )


def _rows(known: list[int], annotators: Any) -> list[dict[str, Any]]:
    people: list[User] = list(annotators)
    scores = queries.gold_scores(output_ids=known, annotator_ids=[each.pk for each in people]) if people else {}
    return [{"annotator": each, "score": scores[each.pk], "cells": _cells(scores[each.pk])} for each in people]


def _cells(score: gold.Score) -> list[Cell | None]:
    return [_cell(getattr(score, name)) for name, _, _ in COLUMNS]


def _cell(measure: gold.Measure) -> Cell | None:
    share, interval = measure.share, measure.interval
    if share is None or interval is None:
        return None
    low, high = interval
    return Cell(f"{100 * share:.0f} %", f"{100 * low:.0f}–{100 * high:.0f}, of {measure.outputs}")


urls = [path("c/<slug:slug>/quality/", quality, name="quality")]
