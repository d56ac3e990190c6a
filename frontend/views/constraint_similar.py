"""Similar constraints side by side: pairs that may be one, each with the evidence, to be merged or told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.merging import actions as merging_actions
from annotate.constraints.merging import queries as merging_queries
from annotate.constraints.models import Constraint, Member, MergeProposal
from annotate.errors import RuleError
from frontend import constraint_acts, constraint_members, doors
from frontend.views import constraints

PAIRS = 10
REFUSED = 20


@dataclass(frozen=True)
class Side:
    constraint: Constraint
    mix: queries.Mix
    members: Sequence[constraint_members.Shown]


@dataclass(frozen=True)
class Pair:
    """`sides`: first the one whose words a merge keeps unless somebody chooses."""

    proposal: MergeProposal
    sides: Sequence[Side]
    keeps: str
    other: str


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*constraints.READERS)
def constraint_similar(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method == "POST":
        constraints.require_decider(request, campaign)
        _decide(request, campaign)
        return HttpResponseRedirect(doors.next_or(request, reverse("constraint-similar", args=[campaign.slug])))
    found = _asked(request, campaign)
    proposals = list(found[: PAIRS + 1])
    last = proposals[PAIRS - 1] if len(proposals) > PAIRS else None
    context = {
        "pairs": _pairs(proposals[:PAIRS]),
        "next_url": _next_url(request, last),
        "is_first": "from" not in request.GET,
        "refused": merging_queries.refused(campaign=campaign).select_related("refused_by")[:REFUSED],
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
        "can_decide": request.campaign_role in constraints.DECIDERS,
        **constraint_acts.context(request, campaign),
    }
    return doors.render(request, "constraint_similar.html", context, campaign=campaign, tab="constraints")


def _decide(request: doors.Request, campaign: Campaign) -> None:
    action, typed = request.POST.get("action", ""), request.POST.get("pair", "")
    if not (typed.isascii() and typed.isdigit() and len(typed) < 19):
        raise RuleError("This page does not say which pair. Reload it and try again.")
    asked: dict[str, Any] = {"campaign": campaign, "proposal_id": int(typed), "by": request.user, "now": clock.now()}
    if action in ("left", "right"):
        kept = merging_actions.accept(**asked, keep=action)
        messages.success(request, f"Merged into “{kept.statement}”.")
    elif action == "refuse":
        merging_actions.refuse(**asked)
        messages.success(request, "Not the same: this pair is not proposed again.")
    elif action == "ask":
        merging_actions.ask_again(**asked)
        messages.success(request, "The pair may be proposed again.")
    else:
        raise RuleError("This page has no such action. Reload it and try again.")


def _asked(request: doors.Request, campaign: Campaign) -> QuerySet[MergeProposal]:
    """Return the open proposals that the address asks for: of one constraint, and after a key."""
    found, of = merging_queries.proposals(campaign=campaign), request.GET.get("of", "")
    if of.isascii() and of.isdigit() and len(of) < 19:
        one = queries.constraint(campaign=campaign, constraint_id=int(of))
        found = merging_queries.of_constraint(constraint=one)
    try:
        likeness, id_ = request.GET.get("from", "").split(",")
        return merging_queries.after(found, likeness=float(likeness), id_=int(id_))
    except (ValueError, OverflowError):
        return found


def _pairs(proposals: Sequence[MergeProposal]) -> list[Pair]:
    ids = {id_ for each in proposals for id_ in (each.left_id, each.right_id)}
    mixes = queries.mixes(constraint_ids=ids)
    members = constraint_members.with_context(
        Member.objects.select_related("violation__tag", "violation__judgment__annotator", "violation__judgment__output")
    )
    examples = merging_queries.examples(members=members, constraint_ids=ids)
    return [_pair(each, mixes, examples) for each in proposals]


def _pair(proposal: MergeProposal, mixes: Mapping[int, queries.Mix], examples: Mapping[int, Sequence[Member]]) -> Pair:
    sides = [
        Side(
            each,
            mixes.get(each.pk, queries.Mix()),
            [constraint_members.shown(member) for member in examples.get(each.pk, ())],
        )
        for each in (proposal.left, proposal.right)
    ]
    if merging_actions.first_of(proposal) == proposal.left:
        return Pair(proposal, sides, keeps="left", other="right")
    return Pair(proposal, sides[::-1], keeps="right", other="left")


def _next_url(request: doors.Request, last: MergeProposal | None) -> str:
    if last is None:
        return ""
    query = {"of": request.GET.get("of", ""), "from": f"{last.likeness!r},{last.pk}"}
    return f"?{urlencode({name: value for name, value in query.items() if value})}"


urls = [path("c/<slug:slug>/constraints/similar/", constraint_similar, name="constraint-similar")]
