"""Verify: one named constraint, one output; violated, not violated, or cannot tell.

The page is a plain form; its script answers with JSON and holds some questions ahead.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.errors import NotFound, RuleError
from annotate.verification import actions, queries
from annotate.verification.models import Answer, Turn
from frontend import doors, preferences, questions, visible_text
from frontend.views import work_form

HELD = 5  # the question that is shown and four fetched ahead: two seconds of somebody very quick
# Stands in the addresses that the page's script fills a turn's token into.
NO_TOKEN = uuid.UUID(int=0)
LABELS = {
    Answer.Value.VIOLATED: "Yes, violated",
    Answer.Value.NOT_VIOLATED: "No, not violated",
    Answer.Value.CANNOT_TELL: "Cannot tell",
}


@never_cache
@require_GET
@doors.campaign_page(*doors.JUDGES)
def verify(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Show the annotator's next question, or the open one that the address names; else say why there is none."""
    turns, why = _turns(request, campaign)
    named = _token(request.GET.get("turn", ""))
    turns.sort(key=lambda turn: turn.token != named)
    left = queries.left(campaign=campaign, annotator=request.user) + len(turns)
    answered = queries.answered(campaign=campaign, annotator=request.user)
    context = {
        "turn": turns[0] if turns else None,
        "why": why,
        "after": _answered(request, campaign),
        "labels": LABELS,
        "answered": answered,
        "left": left,
        "sum": answered + left,
        "data": _data(request, campaign, turns, answered=answered, left=left),
        "key": uuid.uuid4(),
        **(_shown(turns[0]) if turns else {}),
    }
    return doors.render(request, "verify.html", context, campaign=campaign)


@require_POST
@doors.campaign_page(*doors.JUDGES)
def answer(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Store an answer. The script gets the next questions with it; the plain form is led to the next one."""
    _require_turn(request, campaign, token)
    is_plain = not doors.wants_json(request)
    sent = request.POST.dict() if is_plain else work_form.body(request)
    actions.answer(
        token=token,
        annotator=request.user,
        answer=str(sent.get("answer") or ""),
        idempotency_key=_key(sent),
        now=clock.now(),
        seconds=_seconds(sent),
    )
    if is_plain:
        return HttpResponseRedirect(f"{reverse('verify', args=[campaign.slug])}?after={token}")
    return JsonResponse(_next(request, campaign, sent))


@require_POST
@doors.campaign_page(*doors.JUDGES)
def undo(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Take an answer back, and show its question again."""
    _require_turn(request, campaign, token)
    is_plain = not doors.wants_json(request)
    said = None if is_plain else _key(work_form.body(request))
    actions.undo(token=token, annotator=request.user, now=clock.now(), said=said)
    if is_plain:
        return HttpResponseRedirect(f"{reverse('verify', args=[campaign.slug])}?turn={token}")
    return JsonResponse({})


@require_POST
@doors.campaign_page(*doors.JUDGES)
def next_questions(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Bring what the page does not have yet of what it may hold."""
    return JsonResponse(_next(request, campaign, work_form.body(request)))


@require_POST
@doors.campaign_page(*doors.JUDGES)
def release(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Give back what was fetched ahead, when the page closes."""
    tokens = work_form.tokens(work_form.body(request), "release")
    actions.release(tokens=tokens, annotator=request.user)
    return JsonResponse({})


def _turns(request: doors.Request, campaign: Campaign) -> tuple[list[Turn], str]:
    try:
        turns = actions.hand_out(campaign=campaign, annotator=request.user, now=clock.now(), wanted=HELD)
    except actions.CampaignNotActive:
        return [], campaign.state
    return turns, "" if turns else "nothing_left"


def _next(request: doors.Request, campaign: Campaign, sent: Mapping[str, Any]) -> dict[str, Any]:
    if sent.get("is_leaving"):
        return {"questions": [], "why": ""}
    turns, why = _turns(request, campaign)
    return {"questions": _besides(turns, work_form.tokens(sent, "besides")), "why": why}


def _besides(turns: list[Turn], tokens: Collection[uuid.UUID]) -> list[dict[str, Any]]:
    return [questions.question(turn) for turn in turns if turn.token not in tokens]


def _data(request: doors.Request, campaign: Campaign, turns: list[Turn], *, answered: int, left: int) -> dict[str, Any]:
    addresses = {name: reverse(f"verify-{name}", args=[campaign.slug]) for name in ("next", "release")}
    addresses |= {name: reverse(f"verify-{name}", args=[campaign.slug, NO_TOKEN]) for name in ("answer", "undo")}
    return {
        "questions": _besides(turns, ()),
        "answered": answered,
        "left": left,
        "is_sensitive": campaign.is_sensitive,
        "preferences": preferences.for_page(request.user),
        "owner": f"{request.user.pk}.{campaign.slug}",
        "urls": addresses,
    }


def _shown(turn: Turn) -> dict[str, Any]:
    """Return the first question as the template prints it."""
    question = questions.question(turn)
    blocks = questions.blocks(turn)
    return {
        "statement": visible_text.pieces(turn.round.statement),
        "prompt_blocks": [{**block, "pieces": visible_text.pieces(block["text"])} for block in blocks],
        "output": visible_text.pieces(turn.item.output.text),
        "language": question["language"],
        "found": question["found"],
    }


def _answered(request: doors.Request, campaign: Campaign) -> Answer | None:
    """Return the answer that the plain form has just given, to be taken back."""
    token = _token(request.GET.get("after", ""))
    if token is None:
        return None
    return queries.last_answer(campaign=campaign, token=token, annotator=request.user)


def _require_turn(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> None:
    mine = queries.held(token=token, annotator=request.user)
    if not mine.filter(round__campaign=campaign).exists():
        raise NotFound("This question is not yours to answer. Open the page again to get your next one.")


def _token(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _key(sent: Mapping[str, Any]) -> uuid.UUID:
    key = _token(str(sent.get("key") or ""))
    if key is None:
        raise RuleError("What the page sent arrived damaged (it has no key). Reload the page and try again.")
    return key


def _seconds(sent: Mapping[str, Any]) -> float | None:
    seconds = sent.get("seconds")
    return float(seconds) if isinstance(seconds, (int, float)) and math.isfinite(seconds) else None


urls = [
    path("c/<slug:slug>/verify/", verify, name="verify"),
    path("c/<slug:slug>/verify/next/", next_questions, name="verify-next"),
    path("c/<slug:slug>/verify/release/", release, name="verify-release"),
    path("c/<slug:slug>/verify/<uuid:token>/", answer, name="verify-answer"),
    path("c/<slug:slug>/verify/<uuid:token>/undo/", undo, name="verify-undo"),
]
