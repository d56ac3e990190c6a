"""Agreement: on whether, where, what and how bad the annotators of a campaign agree, and what to make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.quality import agreement_campaign, assessing, bootstrap
from annotate.quality.agreement_campaign import Agreement, PairAgreement
from annotate.quality.assessing import Question
from annotate.quality.bootstrap import Figure
from annotate.quality.models import Assessment
from frontend import assessments, doors
from frontend.cells import Cell
from frontend.views.quality import ROLES

TAGS_AT_MOST = 50
JUDGED_BY = {"people": "people", "programs": "scripts and models", "all": "people and programs together"}
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

LIMITS = {
    "tags": TAGS_AT_MOST,
    "pairs": agreement_campaign.PAIRS_AT_MOST,
    "annotators": agreement_campaign.ANNOTATORS_PAIRED,
    "fewest": bootstrap.FEWEST,
}


@dataclass(frozen=True)
class Drawn:
    """A figure as the page draws it. `reading` is empty where chance is not taken off the figure."""

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
    cell: Drawn | None


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*ROLES)
def agreement(request: doors.Request, campaign: Campaign) -> HttpResponse:
    asked = request.GET.get("judged_by", "")
    judged_by = asked if asked in JUDGED_BY else "people"
    question = Question(subject=Assessment.Subject.AGREEMENT, judged_by=judged_by)
    if request.method == "POST":
        return assessments.ask(request, campaign, question)
    context = assessments.context(campaign=campaign, question=question)
    context |= {"judged_by": judged_by, "words": JUDGED_BY[judged_by], "choices": list(JUDGED_BY.items())}
    if context["is_computed"]:
        context |= _shown(context["assessment"])
    template = "agreement.html#figures" if request.htmx else "agreement.html"
    return doors.render(request, template, context, campaign=campaign, tab="quality")


def _shown(assessment: Assessment) -> dict[str, Any]:
    found = assessing.agreement_then(assessment.figures)
    most = sorted(found.tags, key=lambda named: (-named[1].applied, named[0]))
    return {
        "found": found,
        "rows": _questions(found.overall),
        "is_low": _is_low(found.overall),
        "ticks": [_at(value) for value in (0.0, TENTATIVE, RELIABLE)],
        "tags": [(name, each.applied, _cells(each, OF_TAGS, found.outputs)) for name, each in most[:TAGS_AT_MOST]],
        "tag_columns": [label for _, label in OF_TAGS],
        "tags_left": max(0, len(most) - TAGS_AT_MOST),
        "pairs": [_pair(*each) for each in found.pairs],
        "pair_columns": [label for _, label in OF_PAIRS],
        "limits": LIMITS,
        "scale_width": WIDTH,
    }


def _questions(found: Agreement) -> list[Row]:
    return [Row(label, about, unit, _drawn(getattr(found, name), name)) for name, label, about, unit in QUESTIONS]


def _pair(one: User, other: User, pair: PairAgreement) -> dict[str, Any]:
    outputs = pair.agreement.detection.outputs
    return {"both": (one, other), "outputs": outputs, "cells": _cells(pair.agreement, OF_PAIRS, outputs)}


def _cells(measured: Any, columns: tuple[tuple[str, str], ...], outputs: int) -> list[Cell | None]:
    return [_cell(getattr(measured, name), outputs) for name, _ in columns]


def _cell(figure: Figure, outputs: int) -> Cell | None:
    """`outputs` are its row's: the figure says of how many it is where it is of others."""
    if figure.value is None:
        return None
    between = "no interval"
    if figure.low is not None and figure.high is not None:
        between = f"{_number(figure.low)} to {_number(figure.high)}"
    return Cell(_number(figure.value), between if figure.outputs == outputs else f"{between}, of {figure.outputs}")


def _drawn(figure: Figure, name: str) -> Drawn | None:
    if figure.value is None:
        return None
    low, high = (figure.low, figure.high) if figure.high is not None else (None, None)
    return Drawn(
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
