"""Constraints: the candidates of a campaign, and one with its members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from annotate import clock
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints import actions, queries
from annotate.constraints.grouping import actions as grouping_actions
from annotate.constraints.grouping import queries as grouping_queries
from annotate.constraints.merging import queries as merging_queries
from annotate.constraints.models import Constraint, Member
from annotate.errors import NotAllowed, RuleError
from frontend import constraint_acts, constraint_members, doors
from worker.tasks import constraints as constraint_tasks

PAGE = 40
MEMBERS = 25
SIMILAR = 3

READERS = (doors.ADMIN, doors.REVIEWER, doors.RESEARCHER)
DECIDERS = (doors.ADMIN, doors.REVIEWER)
STATES = (
    ("", "All", ("candidate", "accepted", "dismissed")),
    ("candidate", "Candidates", ("candidate",)),
    ("accepted", "Accepted", ("accepted",)),
    ("dismissed", "Dismissed", ("dismissed",)),
)
DECISIONS = {"accept": "accepted", "dismiss": "dismissed", "reopen": "candidate"}


@dataclass(frozen=True)
class Row:
    constraint: Constraint
    mix: queries.Mix


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*READERS)
def constraints(request: doors.Request, campaign: Campaign) -> HttpResponse:
    if request.method == "POST":
        require_decider(request, campaign)
        _decide_on_chosen(request, campaign)
        return HttpResponseRedirect(doors.next_or(request, reverse("constraints", args=[campaign.slug])))
    progress = _progress(request, campaign)
    if request.htmx:
        return doors.render(request, "constraints.html#grouping", progress, campaign=campaign)
    state, tag = request.GET.get("state", ""), request.GET.get("tag", "")
    found = Constraint.objects.filter(campaign=campaign, state__in=_states_of(state))
    found = _after(found.filter(tag_slug=tag) if tag else found, request.GET.get("from", ""))
    rows = list(found.select_related("named_by", "draft").in_page_order()[: PAGE + 1])
    mixes = queries.mixes(constraint_ids=[each.pk for each in rows[:PAGE]])
    context = {
        "rows": [Row(each, mixes.get(each.pk, queries.Mix())) for each in rows[:PAGE]],
        "next_url": _next_url(request, rows),
        "is_first": "from" not in request.GET,
        "filters": _filters(request, campaign, state),
        "tags": queries.tags(campaign=campaign),
        "tag": tag,
        "state": state,
        "latest_set": queries.latest_set(campaign=campaign),
        "similar_count": merging_queries.proposals(campaign=campaign).count(),
        **progress,
        **constraint_acts.context(request, campaign),
    }
    return doors.render(request, "constraints.html", context, campaign=campaign, tab="constraints")


@require_http_methods(["GET", "HEAD", "POST"])
@doors.campaign_page(*READERS)
def constraint(request: doors.Request, campaign: Campaign, constraint_id: int) -> HttpResponse:
    found = queries.constraint(campaign=campaign, constraint_id=constraint_id)
    if request.method != "POST":
        return _constraint_page(request, campaign, found)
    require_decider(request, campaign)
    action = _ACTIONS.get(request.POST.get("action", ""))
    try:
        if action is None:
            raise RuleError("This page has no such action. Reload it and try again.")
        place = action(request, campaign, found)
    except RuleError as error:
        if request.htmx:
            raise
        return _constraint_page(request, campaign, found, error=error)
    if request.htmx:
        row = Row(place, queries.mixes(constraint_ids=[place.pk]).get(place.pk, queries.Mix()))
        context = {
            "row": row,
            "can_decide": True,
            "is_beside": True,
            "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
            **constraint_acts.context(request, campaign),
        }
        return doors.render(request, "constraints.html#answer", context, campaign=campaign)
    return HttpResponseRedirect(doors.next_or(request, reverse("constraint", args=[campaign.slug, place.pk])))


def _progress(request: doors.Request, campaign: Campaign) -> dict[str, Any]:
    return {
        "grouping": grouping_queries.progress(campaign=campaign),
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
        "can_decide": request.campaign_role in DECIDERS,
    }


def _decide_on_chosen(request: doors.Request, campaign: Campaign) -> None:
    action, ids = request.POST.get("action", ""), _ids(request, "constraint")
    if action == "regroup":
        actions.request_grouping(campaign=campaign, by=request.user, now=clock.now())
        constraint_tasks.regroup.nudge(campaign.pk)
    elif action == "try grouping":
        grouping_actions.try_again(campaign=campaign)
        constraint_tasks.regroup.nudge(campaign.pk)
    elif action == "undo":
        constraint_acts.undo(request, campaign)
    elif action == "merge":
        _merge_chosen(request, campaign, ids)
    elif action in DECISIONS:
        changed = actions.decide(
            campaign=campaign, constraint_ids=ids, state=DECISIONS[action], by=request.user, now=clock.now()
        )
        messages.success(request, f"{len(changed)} of {len(ids)} chosen are now {DECISIONS[action]}.")
    else:
        raise RuleError("This page has no such action. Reload it and try again.")


def _merge_chosen(request: doors.Request, campaign: Campaign, ids: Sequence[int]) -> None:
    chosen = list(Constraint.objects.filter(campaign=campaign, pk__in=ids).order_by("-member_count", "id"))
    if len(chosen) < 2:
        raise actions.NothingChosen("Choose at least two constraints to merge; the largest keeps its statement.")
    kept = actions.merge(into=chosen[0], others=chosen[1:], by=request.user, now=clock.now())
    messages.success(request, f"Merged {len(chosen)} constraints into “{kept.statement}”.")


def _rename(request: doors.Request, campaign: Campaign, found: Constraint) -> Constraint:
    return actions.rename(
        constraint=found, statement=request.POST.get("statement", ""), by=request.user, now=clock.now()
    )


def _decide(request: doors.Request, campaign: Campaign, found: Constraint) -> Constraint:
    state = DECISIONS[request.POST["action"]]
    actions.decide(campaign=campaign, constraint_ids=[found.pk], state=state, by=request.user, now=clock.now())
    found.refresh_from_db()
    return found


def _split(request: doors.Request, campaign: Campaign, found: Constraint) -> Constraint:
    made = actions.split(
        constraint=found,
        violation_ids=_ids(request, "violation"),
        statement=request.POST.get("statement", ""),
        by=request.user,
        now=clock.now(),
    )
    messages.success(request, f"Split {made.member_count} members off “{found.statement}”.")
    return made


def _move(request: doors.Request, campaign: Campaign, found: Constraint) -> Constraint:
    target = next(iter(_ids(request, "into")), None)
    if target is None:
        raise actions.NothingChosen("Choose the constraint to move the members to.", field="into")
    into = queries.constraint(campaign=campaign, constraint_id=target)
    ids = _ids(request, "violation")
    moved = actions.move(constraint=found, violation_ids=ids, into=into, by=request.user, now=clock.now())
    messages.success(request, f"Moved {len(ids)} members to “{moved.statement}”.")
    return found


_ACTIONS: dict[str, Callable[[doors.Request, Campaign, Constraint], Constraint]] = {
    "rename": _rename,
    "accept": _decide,
    "dismiss": _decide,
    "reopen": _decide,
    "split": _split,
    "move": _move,
}


def _constraint_page(
    request: doors.Request, campaign: Campaign, found: Constraint, *, error: RuleError | None = None
) -> HttpResponse:
    key = request.GET.get("from", "")
    rows = list(constraint_members.with_context(_members_after(queries.members(constraint=found), key))[: MEMBERS + 1])
    last = rows[MEMBERS - 1] if len(rows) > MEMBERS else None
    others = Constraint.objects.living().filter(campaign=campaign, tag_slug=found.tag_slug).exclude(pk=found.pk)
    context = {
        "constraint": found,
        "mix": queries.mixes(constraint_ids=[found.pk]).get(found.pk, queries.Mix()),
        "members": [constraint_members.shown(each) for each in rows[:MEMBERS]],
        "next_url": f"?{urlencode({'from': f'{last.similarity!r},{last.pk}'})}" if last else "",
        "is_first": not key,
        "tags_by_slug": campaign_queries.tags_by_slug(campaign=campaign),
        "others": others.in_page_order()[:50],
        "can_decide": request.campaign_role in DECIDERS and found.state != Constraint.State.RETIRED,
        "error": error,
        "typed": request.POST,
        "chosen": set(_ids(request, "violation")),
        "similar": list(merging_queries.of_constraint(constraint=found)[:SIMILAR]),
        **constraint_acts.context(request, campaign),
    }
    status = 200 if error is None else 422
    return doors.render(request, "constraint.html", context, campaign=campaign, tab="constraints", status=status)


def _members_after(members: QuerySet[Member], key: str) -> QuerySet[Member]:
    try:
        similarity, id_ = key.split(",")
        at, after = float(similarity), int(id_)
    except ValueError:
        return members
    return members.filter(Q(similarity__lt=at) | Q(similarity=at, pk__gt=after))


def _after(found: Any, key: str) -> Any:
    """`key` is "count,id" of the last row of the page before; anything else is ignored."""
    try:
        count, id_ = key.split(",")
        return found.after(member_count=int(count), id_=int(id_))
    except ValueError:
        return found


def _next_url(request: doors.Request, rows: Sequence[Constraint]) -> str:
    if len(rows) <= PAGE:
        return ""
    last, query = rows[PAGE - 1], request.GET.copy()
    query["from"] = f"{last.member_count},{last.pk}"
    return f"{request.path}?{query.urlencode()}"


def _filters(request: doors.Request, campaign: Campaign, current: str) -> list[dict[str, Any]]:
    counts = queries.states(campaign=campaign)
    return [
        {
            "label": label,
            "count": sum(counts.get(state, 0) for state in states),
            "url": f"{request.path}?{urlencode({'state': name, 'tag': request.GET.get('tag', '')})}",
            "is_current": name == current,
        }
        for name, label, states in STATES
    ]


def _states_of(name: str) -> tuple[str, ...]:
    return next((states for each, _, states in STATES if each == name), STATES[0][2])


def _ids(request: doors.Request, name: str) -> list[int]:
    return [int(each) for each in request.POST.getlist(name) if each.isascii() and each.isdigit() and len(each) < 19]


def require_decider(request: doors.Request, campaign: Campaign) -> None:
    if request.campaign_role not in DECIDERS:
        raise NotAllowed(f"Admins and reviewers of {campaign.name} decide on its constraints; you can read them.")


urls = [
    path("c/<slug:slug>/constraints/", constraints, name="constraints"),
    path("c/<slug:slug>/constraints/<int:constraint_id>/", constraint, name="constraint"),
]
