"""Outputs of a campaign, and one output with all that was said of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpResponse, QueryDict
from django.urls import path
from django.views.decorators.http import require_safe

from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints.checks import queries as check_queries
from annotate.intake import queries
from annotate.intake.models import ImportBatch, Output, Prompt
from annotate.judgments.models import Judgment
from annotate.quality import consensus, judges
from frontend import doors, paging, sheets
from frontend.hostile import Span

READERS = (doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
SHOWN = 25
EXCERPT = 240
JUDGMENTS_SHOWN = 50
BATCHES_OFFERED = 100
FILTERS = ("batch", "purpose", "state", "verdict", "check")
SCREENERS = (doors.ADMIN, doors.REVIEWER)
"""Who may know what a check says of an output."""
PURPOSES = (("annotate", "to be trained on"), ("evaluate", "to evaluate"), ("gold", "gold"))
STATES = (("judged", "judged"), ("unjudged", "not judged yet"))


@require_safe
@doors.campaign_page(*READERS)
def outputs(request: doors.Request, campaign: Campaign) -> HttpResponse:
    found = _filtered(queries.outputs(campaign=campaign), request.GET)
    if request.GET.get("check") == "trusted" and request.campaign_role in SCREENERS:
        found = found.filter(check_queries.screened(campaign=campaign))
    page = paging.by_id(_excerpts(found), request, size=SHOWN)
    return doors.render(
        request,
        "outputs.html#rows" if request.htmx else "outputs.html",
        campaign=campaign,
        tab="outputs",
        page=page,
        tallies=_tallied(page.items),
        batches=queries.batches(campaign=campaign)[:BATCHES_OFFERED],
        purposes=PURPOSES,
        states=STATES,
        verdicts=Judgment.Verdict.choices,
        can_screen=request.campaign_role in SCREENERS,
        chosen={name: request.GET.get(name, "") for name in FILTERS},
        is_filtered=any(request.GET.get(name) for name in FILTERS),
    )


def _filtered(found: QuerySet[Output], asked: QueryDict) -> QuerySet[Output]:
    """Apply the filters of the page. Only these names and values are looked at; anything else in the query is not."""
    current = Judgment.objects.filter(output=OuterRef("pk"), is_current=True)
    batch, purpose, state, verdict = (asked.get(name, "") for name in FILTERS[:4])
    if batch.isascii() and batch.isdigit() and len(batch) < 19:
        found = found.filter(batch=int(batch))
    if purpose in ImportBatch.Purpose.values:
        found = found.filter(batch__purpose=purpose)
    if state in ("judged", "unjudged"):
        is_judged = Exists(current)
        found = found.filter(is_judged if state == "judged" else ~is_judged)
    if verdict in Judgment.Verdict.values:
        found = found.filter(Exists(current.filter(verdict=verdict)))
    return found


def _excerpts(found: QuerySet[Output]) -> QuerySet[Output]:
    """The beginning of each text is all that a list needs."""
    return found.annotate(text_start=Left("text", EXCERPT), prompt_start=Left("prompt__text", EXCERPT)).defer(
        "text", "meta", "prompt__text", "prompt__messages"
    )


def _tallied(items: Iterable[Output]) -> list[tuple[Output, dict[str, int]]]:
    """Each output with how many current judgments of each verdict it has. One statement for the page."""
    items = list(items)
    counted = (
        Judgment.objects.filter(output__in=[item.pk for item in items], is_current=True)
        .values("output")
        .annotate(**{verdict: Count("pk", filter=Q(verdict=verdict)) for verdict in Judgment.Verdict.values})
    )
    by_output: dict[int, Any] = {row["output"]: row for row in counted}
    return [(item, by_output.get(item.pk, {})) for item in items]


@require_safe
@doors.campaign_page(*READERS)
def output(request: doors.Request, campaign: Campaign, output_id: int) -> HttpResponse:
    found = queries.output(campaign=campaign, output_id=output_id)
    judgments = (
        Judgment.objects.filter(output=found, is_current=True)
        .select_related("annotator")
        .prefetch_related("violations__tag")
    )
    page = paging.by_id(judgments, request, size=JUDGMENTS_SHOWN)
    return doors.render(
        request,
        "output.html",
        campaign=campaign,
        tab="outputs",
        output=found,
        blocks=sheets.of_prompt(found.prompt.text, found.prompt.messages),
        twins=_twins(found.prompt),
        page=page,
        spans=_spans(page.items, only=request.GET.get("judgment", "")),
        only=request.GET.get("judgment", ""),
        **_together(page.items),
        is_one_page=not (page.next_url or page.previous_url),
        meta=sorted(found.meta.items()),
        tags_by_slug=campaign_queries.tags_by_slug(campaign=campaign),
    )


def _twins(prompt: Prompt) -> list[tuple[str, list[dict[str, Any]]]]:
    """The twins of the prompt, each with the word for its stance and its blocks."""
    return [
        (Campaign.Stance(stance).label, sheets.of_prompt(twin["text"], twin["messages"]))
        for stance, twin in sorted(prompt.twins.items(), reverse=True)
    ]


def _spans(judgments: Iterable[Judgment], *, only: str) -> list[Span]:
    """The marks of all judgments on the page, or of the one asked for."""
    return [
        Span(violation.start, violation.end, violation.severity, _label(judgment, violation))
        for judgment in judgments
        if only in ("", str(judgment.pk))
        for violation in judgment.violations.all()
        if violation.start is not None and violation.end is not None
    ]


def _label(judgment: Judgment, violation: Any) -> str:
    severity = f" ({violation.severity})" if violation.severity else ""
    return f"{violation.tag.name}{severity}, {judgment.annotator}"


def _together(items: Iterable[Judgment]) -> dict[str, Any]:
    """What people say together, or programs where no person judged; the two are never mixed (quality.judges)."""
    of_people = [_vote(judgment) for judgment in items if judgment.annotator.kind in judges.PEOPLE]
    of_programs = [_vote(judgment) for judgment in items if judgment.annotator.kind in judges.PROGRAMS]
    return {
        "together": consensus.verdict(of_people or of_programs),
        "is_mixed": bool(of_people and of_programs),
        "is_of_programs": not of_people,
    }


def _vote(judgment: Judgment) -> consensus.Vote:
    marks = tuple(
        consensus.Mark(
            violation_id=violation.pk,
            tag=violation.tag.name,
            severity=violation.severity,
            start=violation.start,
            end=violation.end,
        )
        for violation in judgment.violations.all()
    )
    return consensus.Vote(annotator=judgment.annotator_id, verdict=judgment.verdict, marks=marks)


urls = [
    path("c/<slug:slug>/outputs/", outputs, name="outputs"),
    path("c/<slug:slug>/outputs/<int:output_id>/", output, name="output"),
]
