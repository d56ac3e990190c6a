"""Checkpoints: where each comes from, and what each does that its parent did not."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotate import clock, errors
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints import queries as constraint_queries
from annotate.constraints.models import ConstraintSet
from annotate.quality import judges
from frontend import doors, visible_text
from training_bridge.evaluations import paired
from training_bridge.evaluations import queries as evaluation_queries
from training_bridge.runs import actions, models, queries

SHOWN = 500
JUDGES = {"people": judges.PEOPLE, "programs": judges.PROGRAMS, "all": judges.KINDS}
JUDGE_CHOICES = (("people", "people"), ("programs", "scripts and models"), ("all", "people and programs together"))


@dataclass(frozen=True)
class Node:
    """A checkpoint of the tree. `children` are the same, oldest first."""

    checkpoint: models.Checkpoint
    children: list[Node]


@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def checkpoints(request: doors.Request, campaign: Campaign) -> HttpResponse:
    found = queries.checkpoints_of(campaign=campaign).select_related("run").order_by("-pk")[: SHOWN + 1]
    rows = list(found)
    context = {"roots": _tree(rows[:SHOWN]), "is_cut": len(rows) > SHOWN, "shown": SHOWN}
    return doors.render(request, "checkpoints.html", context, campaign=campaign, tab="checkpoints")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(doors.ADMIN)
def checkpoint_new(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Registers for the campaign. Only administrators of the server may name a folder on it: the action says so."""
    error: errors.RuleError | None = None
    if request.method == "POST":
        try:
            made = actions.register_checkpoint(
                name=request.POST.get("name", ""),
                location=request.POST.get("location", ""),
                kind=_kind(request.POST.get("kind", "")),
                parent=_parent(campaign, request.POST.get("parent", "")),
                by=request.user,
                now=clock.now(),
                campaign=campaign,
            )
        except errors.RuleError as refused:
            error = refused
        else:
            return HttpResponseRedirect(reverse("checkpoint", args=[campaign.slug, made.pk]))
    context = {
        "error": error,
        "values": request.POST,
        "kinds": models.Checkpoint.Kind.choices,
        "parents": queries.checkpoints_of(campaign=campaign).order_by("-pk")[:SHOWN],
    }
    status = 422 if error else 200
    return doors.render(request, "checkpoint_new.html", context, campaign=campaign, tab="checkpoints", status=status)


@require_safe
@doors.campaign_page(doors.ADMIN, doors.RESEARCHER)
def checkpoint(request: doors.Request, campaign: Campaign, checkpoint_id: int) -> HttpResponse:
    """`?with=ID` compares with another checkpoint than the parent, `?set=REVISION` by another constraint set.

    `?judges=` says whose judgments count; without it the rule of evaluations does.
    """
    found = queries.checkpoint_of(campaign=campaign, checkpoint_id=checkpoint_id)
    other = _number(request.GET.get("with", ""))
    beside = queries.checkpoint_of(campaign=campaign, checkpoint_id=other) if other else found.parent
    revision = _number(request.GET.get("set", ""))
    chosen = (
        constraint_queries.constraint_set(campaign=campaign, revision=revision)
        if revision
        else constraint_queries.latest_set(campaign=campaign)
    )
    asked = request.GET.get("judges", "")
    context = {
        "checkpoint": found,
        "beside": beside,
        "chosen_set": chosen,
        "ancestors": _ancestors(found),
        "children": found.children.filter(campaign=campaign).order_by("pk")[:SHOWN],
        "samples": found.sample_batches.filter(batch__campaign=campaign).select_related("batch", "run").order_by("-pk"),
        "sets": campaign.constraint_sets.order_by("-revision")[:50],
        "others": queries.checkpoints_of(campaign=campaign).exclude(pk=found.pk).order_by("-pk")[:SHOWN],
        "judges": asked,
        "judge_choices": JUDGE_CHOICES,
        **_comparison(found, beside, chosen, JUDGES.get(asked)),
    }
    return doors.render(request, "checkpoint.html", context, campaign=campaign, tab="checkpoints")


def _comparison(
    found: models.Checkpoint,
    beside: models.Checkpoint | None,
    chosen: ConstraintSet | None,
    kinds: tuple[str, ...] | None,
) -> dict[str, Any]:
    if beside is None or chosen is None:
        return {"comparison": None}
    compared = evaluation_queries.compare(checkpoint=found, parent=beside, constraint_set=chosen, kinds=kinds)
    lines = [
        {
            "line": line,
            "change": _change(line.counts, line.adjusted_p),
            "examples": [
                {
                    "outcome": each.outcome,
                    "example": each,
                    "prompt": visible_text.pieces(each.before.prompt.text),
                    "before": visible_text.pieces(each.before.text),
                    "after": visible_text.pieces(each.after.text),
                }
                for each in line.examples
            ],
        }
        for line in compared.lines
    ]
    return {
        "comparison": compared,
        "lines": lines,
        "rejected": _change(compared.rejected, compared.rejected.p_value),
        "clear": paired.CLEAR,
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=chosen.campaign),
    }


def _change(counts: paired.Counts, p: float) -> dict[str, Any]:
    """Equal counts are called so whatever p is; a difference is named only where it is clear."""
    is_clear = paired.is_clear(p)
    return {
        "verdict": counts.verdict,
        "is_clear": is_clear,
        "is_named": is_clear or counts.verdict in (paired.PERSISTENT, paired.ABSENT),
    }


def _tree(rows: list[models.Checkpoint]) -> list[Node]:
    """Whoever's parent is not among `rows` is a root. Built without recursion over the database."""
    present = {row.pk for row in rows}
    children: dict[int | None, list[models.Checkpoint]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: each.pk):
        children[row.parent_id if row.parent_id in present else None].append(row)

    def node(row: models.Checkpoint) -> Node:
        return Node(row, [node(child) for child in children[row.pk]])

    return [node(row) for row in children[None]]


def _ancestors(found: models.Checkpoint) -> list[models.Checkpoint]:
    """From the first to the parent; a long lineage shows its last eight."""
    lineage: list[models.Checkpoint] = []
    at = found.parent
    while at is not None and len(lineage) < 8:
        lineage.append(at)
        at = at.parent
    return lineage[::-1]


def _kind(typed: str) -> str:
    return typed if typed in models.Checkpoint.Kind.values else str(models.Checkpoint.Kind.FULL)


def _parent(campaign: Campaign, typed: str) -> models.Checkpoint | None:
    number = _number(typed)
    return queries.checkpoint_of(campaign=campaign, checkpoint_id=number) if number else None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


urls = [
    path("c/<slug:slug>/checkpoints/", checkpoints, name="checkpoints"),
    path("c/<slug:slug>/checkpoints/new/", checkpoint_new, name="checkpoint-new"),
    path("c/<slug:slug>/checkpoints/<int:checkpoint_id>/", checkpoint, name="checkpoint"),
]
