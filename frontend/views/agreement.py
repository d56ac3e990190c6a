"""Agreement: on whether, where, what and how bad the annotators of a campaign agree, and what to make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import agreement_campaign, agreement_queries, bootstrap, judges
from annotate.quality.agreement_campaign import Agreement, PairAgreement
from annotate.quality.bootstrap import Figure
from frontend import doors
from frontend.views.quality import ROLES

OUTPUTS_AT_MOST = 1000
TAGS_AT_MOST = 50
JUDGED_BY = {
    "people": ("people", judges.PEOPLE),
    "programs": ("scripts and models", judges.PROGRAMS),
    "all": ("people and programs together", judges.KINDS),
}
RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff, "Content Analysis", 2nd ed. 2004, p. 241: conclusions from 0.800 on, tentative ones from 0.667."""

QUESTIONS = (
    ("detection", "Rejected or not", "alpha", "judgments"),
    ("major", "Anything major or critical", "alpha", "judgments"),
    ("tags", "Which tags", "alpha, all tags together", "judgments"),
    ("severity", "How severe", "ordinal alpha, where both applied the tag", "severities"),
    ("unitised", "Where: marked characters", "unitised alpha", "marks"),
    ("f1", "Where: overlap of pairs", "F1, chance not taken off", "marks"),
)
OF_TAGS = (("presence", "Applied"), ("severity", "How severe"), ("unitised", "Where"), ("f1", "Overlap (F1)"))
OF_PAIRS = (
    ("detection", "Rejected"),
    ("tags", "Which tags"),
    ("severity", "How severe"),
    ("unitised", "Where"),
    ("f1", "Overlap (F1)"),
)

LOWEST, WIDTH = -0.25, 150
"""The scale that is drawn goes from LOWEST to 1 and is WIDTH wide; what lies below it is drawn at its end."""


@dataclass(frozen=True)
class Cell:
    """A figure as a page prints it. `reading` is empty where chance is not taken off the figure."""

    value: str
    low: str
    high: str
    outputs: int
    labels: int
    reading: str
    at: float
    low_at: float
    width: float


@dataclass(frozen=True)
class Row:
    label: str
    about: str
    unit: str
    cell: Cell | None


@require_safe
@doors.campaign_page(*ROLES)
def agreement(request: doors.Request, campaign: Campaign) -> HttpResponse:
    asked = request.GET.get("judged_by", "")
    judged_by = asked if asked in JUDGED_BY else "people"
    words, kinds = JUDGED_BY[judged_by]
    found = agreement_queries.agreement_of(campaign=campaign, kinds=kinds, newest=OUTPUTS_AT_MOST)
    most = sorted(found.tags, key=lambda named: (-named[1].applied, named[0]))
    return doors.render(
        request,
        "agreement.html",
        campaign=campaign,
        tab="quality",
        found=found,
        judged_by=judged_by,
        words=words,
        choices=[(key, label) for key, (label, _) in JUDGED_BY.items()],
        rows=_questions(found.overall),
        is_low=_is_low(found.overall),
        ticks=[_at(value) for value in (0.0, TENTATIVE, RELIABLE)],
        tags=[(name, each.applied, _cells(each, OF_TAGS, found.outputs)) for name, each in most[:TAGS_AT_MOST]],
        tag_columns=[label for _, label in OF_TAGS],
        tags_left=max(0, len(most) - TAGS_AT_MOST),
        pairs=[_pair(*each) for each in found.pairs],
        pair_columns=[label for _, label in OF_PAIRS],
        limits={
            "outputs": OUTPUTS_AT_MOST,
            "tags": TAGS_AT_MOST,
            "pairs": agreement_campaign.PAIRS_AT_MOST,
            "annotators": agreement_campaign.ANNOTATORS_PAIRED,
            "fewest": bootstrap.FEWEST,
        },
        scale_width=WIDTH,
    )


def _questions(found: Agreement) -> list[Row]:
    return [Row(label, about, unit, _cell(getattr(found, name), name)) for name, label, about, unit in QUESTIONS]


def _pair(one: User, other: User, pair: PairAgreement) -> dict[str, Any]:
    outputs = pair.agreement.detection.outputs
    return {"both": (one, other), "outputs": outputs, "cells": _cells(pair.agreement, OF_PAIRS, outputs)}


def _cells(measured: Any, columns: tuple[tuple[str, str], ...], outputs: int) -> list[tuple[Cell | None, bool]]:
    """Return the cells of a row, and whether each is over other outputs than its row."""
    cells = [_cell(getattr(measured, name), name) for name, _ in columns]
    return [(cell, cell is not None and cell.outputs != outputs) for cell in cells]


def _cell(figure: Figure, name: str) -> Cell | None:
    if figure.value is None:
        return None
    low, high = (figure.low, figure.high) if figure.high is not None else (None, None)
    return Cell(
        value=_number(figure.value),
        low="" if low is None else _number(low),
        high="" if high is None else _number(high),
        outputs=figure.outputs,
        labels=figure.labels,
        reading="" if name == "f1" else _reading(figure),
        at=_at(figure.value),
        low_at=0.0 if low is None else _at(low),
        width=0.0 if low is None or high is None else round(_at(high) - _at(low), 1),
    )


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _reading(figure: Figure) -> str:
    """Say what the figure allows, by the low end of its interval: what cannot be excluded counts."""
    if figure.low is None or figure.high is None:
        return "too little to say"
    if figure.low >= RELIABLE:
        return "reliable"
    if figure.low >= TENTATIVE:
        return "tentative"
    return "low" if figure.low > 0 else "not above chance"


def _is_low(found: Agreement) -> bool:
    figures = (found.detection, found.tags, found.severity, found.unitised)
    return any(figure.low is not None and figure.low < TENTATIVE for figure in figures)


def _at(value: float) -> float:
    return round((max(LOWEST, value) - LOWEST) / (1 - LOWEST) * WIDTH, 1)


urls = [path("c/<slug:slug>/quality/agreement/", agreement, name="agreement")]
