"""Verification of one constraint: its rounds, how far they are, what they say; start one, close one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints import queries as constraint_queries
from annotate.constraints.models import Constraint
from annotate.errors import NotAllowed, RuleError
from annotate.quality.judges import PROGRAMS
from annotate.verification import actions, policy, queries
from annotate.verification.models import Round
from frontend import doors, paging, visible_text
from frontend.views import constraints

ROUNDS = 10
TAGGED, RANDOM = 50, 50
"""What the form proposes: a share of one half is then known to about 0.14 either way."""


@dataclass(frozen=True)
class Row:
    """A round with what people said of it, asked blind, and what people with suggestions and programs said where there
    are such answers."""

    round: Round
    asked: list[visible_text.Piece]
    answers: int
    wanted: int
    people: queries.Result
    assisted: queries.Result
    programs: queries.Result

    @property
    def results(self) -> list[tuple[str, queries.Result]]:
        others = [("people with suggestions", self.assisted), ("programs", self.programs)]
        return [("people", self.people), *[each for each in others if each[1].answers]]


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*constraints.READERS)
def rounds(request: doors.Request, campaign: Campaign, constraint_id: int) -> HttpResponse:
    found = constraint_queries.constraint(campaign=campaign, constraint_id=constraint_id)
    if request.method != "POST":
        return _page(request, campaign, found)
    if request.campaign_role not in constraints.DECIDERS:
        raise NotAllowed(f"Admins and reviewers of {campaign.name} start and close rounds; you can read them.")
    try:
        _act(request, found)
    except RuleError as error:
        return _page(request, campaign, found, error=error)
    return HttpResponseRedirect(reverse("constraint-rounds", args=[campaign.slug, found.pk]))


def _act(request: doors.Request, found: Constraint) -> None:
    action = request.POST.get("action", "")
    if action == "start":
        numbers = {name: doors.whole_number(request.POST.get(name, ""), field=name) for name in _PROPOSED}
        made = actions.start(constraint=found, by=request.user, now=clock.now(), **numbers)
        messages.success(request, f"The round asks about {made.tagged_count + made.random_count} outputs.")
    elif action == "close":
        number = doors.whole_number(request.POST.get("round", ""), field="round")
        closing = queries.round_of(constraint=found, round_id=number)
        actions.close(round=closing, by=request.user, now=clock.now())
        messages.success(request, "The round is closed. What was answered stays.")
    else:
        raise RuleError("This page has no such action. Reload it and try again.")


_PROPOSED = {"tagged": TAGGED, "random": RANDOM, "overlap": 2}


def _page(
    request: doors.Request, campaign: Campaign, found: Constraint, *, error: RuleError | None = None
) -> HttpResponse:
    page = paging.by_id(queries.rounds(constraint=found), request, size=ROUNDS)
    is_open = Round.objects.filter(constraint=found, state=Round.State.OPEN).exists()
    can_decide = request.campaign_role in constraints.DECIDERS
    context = {
        "constraint": found,
        "statement": visible_text.pieces(found.statement),
        "page": page,
        "rows": _rows(page.items),
        "can_decide": can_decide,
        "can_start": can_decide and not is_open and found.state != Constraint.State.RETIRED,
        "typed": _typed(request.POST if error else {}),
        "at_most": policy.OUTPUTS_AT_MOST,
        "overlap_at_most": policy.OVERLAP_AT_MOST,
        "error": error,
    }
    status = 200 if error is None else 422
    return doors.render(request, "verify_rounds.html", context, campaign=campaign, tab="constraints", status=status)


def _rows(found: Sequence[Round]) -> list[Row]:
    """Four statements for all of them."""
    answers = queries.progress(rounds=found)
    people = queries.results(rounds=found)
    assisted = queries.results(rounds=found, is_assisted=True)
    programs = queries.results(rounds=found, kinds=PROGRAMS)
    return [
        Row(
            round=each,
            asked=visible_text.pieces(each.statement),
            answers=answers[each.pk],
            wanted=(each.tagged_count + each.random_count) * each.overlap,
            people=people[each.pk],
            assisted=assisted[each.pk],
            programs=programs[each.pk],
        )
        for each in found
    ]


def _typed(post: Mapping[str, Any]) -> dict[str, Any]:
    return {name: post.get(name, proposed) for name, proposed in _PROPOSED.items()}


urls = [
    path(
        "c/<slug:slug>/constraints/<int:constraint_id>/verification/",
        rounds,
        name="constraint-rounds",
    ),
]
