"""What the Work page's script asks for: JSON in, JSON out, one request per submit and next."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints.assistance import queries as assistance
from annotate.errors import NotFound, RuleError
from annotate.judgments import actions as judgment_actions
from annotate.judgments import queries as judgment_queries
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
from annotate.queue import queries as queue_queries
from annotate.queue.models import Lease
from frontend import doors, rendered, sheets
from frontend.views import work_form

LEFT_AT_MOST = 1000
OF_THE_PAGE = ("next", "held", "progress")
OF_A_LEASE = ("judgment", "draft", "skip", "undo", "rendered", "output")


@require_POST
@doors.campaign_page(*doors.JUDGES)
def next_sheet(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Lease an output beside those that the page has already. Three statements in all."""
    return JsonResponse(_next(request, campaign, work_form.tokens(work_form.body(request), "besides")))


@require_POST
@doors.campaign_page(*doors.JUDGES)
def judgment(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Store a judgment and answer with the next output to hold. The judgment is stored whatever becomes of the next."""
    sent = work_form.read_judgment(work_form.body(request))
    try:
        stored, following = judgment_actions.submit_and_lease_next(
            token=token,
            annotator=request.user,
            campaign=campaign,
            sent=sent.submission,
            now=clock.now(),
            besides=sent.besides,
            suggest=assistance.for_output,
        )
    except judgment_actions.NotComplete as error:
        problems = [{"index": each.index, "field": each.field, "message": each.message} for each in error.problems]
        return JsonResponse({"message": error.message, "problems": problems}, status=422)
    except judgment_actions.ChangedElsewhere as error:
        return _changed(error)
    except judgment_actions.JudgedElsewhere as error:
        marked = judgment_queries.marked(judgment=error.judgment)
        told = {"message": error.message, "kind": "judged_elsewhere", "marked": marked}
        return JsonResponse({**told, "version": sent.version, "revision": error.judgment.revision}, status=409)
    answer = {**saved(stored, lease=token), "violations": len(sent.submission.violations)}
    return JsonResponse({"saved": answer, **_following(request, campaign, following)})


@require_POST
@doors.campaign_page(*doors.JUDGES)
def draft(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Keep what is marked so far; answers the version that the next change is made on."""
    sent = work_form.read_draft(work_form.body(request))
    try:
        lease = judgment_actions.save_draft(
            token=token,
            annotator=request.user,
            payload=sent.payload,
            version=sent.version,
            now=clock.now(),
            is_forced=sent.is_forced,
        )
    except judgment_actions.ChangedElsewhere as error:
        return _changed(error)
    return JsonResponse({"version": lease.draft_version, "until": lease.expires_at.isoformat()})


@require_POST
@doors.campaign_page(*doors.JUDGES)
def skip(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Leave an output to others. Answers with the next one; the plain form is led to it."""
    is_plain = not doors.wants_json(request)
    given = request.POST.dict() if is_plain else work_form.body(request)
    reason = str(given.get("reason_text") or given.get("reason") or "")
    queue_actions.skip(token=token, annotator=request.user, reason=reason, now=clock.now())
    if is_plain:
        return redirect("work", slug=campaign.slug)
    return JsonResponse(_next(request, campaign, work_form.tokens(given, "besides")))


@require_POST
@doors.campaign_page(*doors.JUDGES)
def undo(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Take the submit of this revision back and go on with what it said."""
    revision = work_form.read_revision(work_form.body(request))
    judgment_actions.undo_submit(token=token, annotator=request.user, revision=revision, now=clock.now())
    return JsonResponse({"sheet": sheets.sheet(lease_of(request, campaign, token))})


@require_POST
@doors.campaign_page(*doors.JUDGES)
def held(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Renew what the page holds, or give it back when the page closes."""
    sent = work_form.body(request)
    now = clock.now()
    for token, until in work_form.released(sent):
        with contextlib.suppress(RuleError):  # closed meanwhile, by another page: the others count all the same
            queue_actions.release(token=token, annotator=request.user, now=now, seen_until=until)
    renewed = queue_actions.renew_held(tokens=work_form.tokens(sent, "renew"), annotator=request.user, now=now)
    return JsonResponse({"until": {str(token): until.isoformat() for token, until in renewed.items()}})


@never_cache
@require_GET
@doors.campaign_page(*doors.JUDGES)
def progress(request: doors.Request, campaign: Campaign) -> HttpResponse:
    return JsonResponse(progress_of(request, campaign, clock.now()))


@never_cache
@require_GET
@doors.campaign_page(*doors.JUDGES)
def rendered_output(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Return the output as its markdown reads, each run with its place in the stored text."""
    return JsonResponse({"html": rendered.render(lease_of(request, campaign, token).output.text).html})


def lease_of(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> Lease:
    """Return the asker's lease with its output and prompt. Raises NotFound."""
    mine = queue_queries.held(token=token, annotator=request.user).filter(campaign=campaign)
    lease = mine.select_related("output__prompt", "campaign").first()
    if lease is None:
        raise NotFound("This output is not leased to you. Open the work page again to get your next one.")
    return lease


def progress_of(request: doors.Request, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Return how many outputs the asker judged today and how many are left for them, up to LEFT_AT_MOST."""
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = judgment_queries.judged_since(campaign=campaign, annotator=request.user, since=midnight)
    left = queue_queries.left(campaign=campaign, annotator=request.user, at_most=LEFT_AT_MOST)
    return {"today": today, "left": left, "is_more": left >= LEFT_AT_MOST}


def saved(stored: Judgment, *, lease: uuid.UUID) -> dict[str, Any]:
    """Return what the page says of a judgment, and what it needs to take it back."""
    return {
        "lease": str(lease),
        "verdict": stored.verdict,
        "revision": stored.revision,
        "undo_until": (stored.created_at + judgment_actions.UNDO_WITHIN).isoformat(),
    }


def _next(request: doors.Request, campaign: Campaign, besides: Iterable[uuid.UUID]) -> dict[str, Any]:
    try:
        lease = queue_actions.lease_next(
            campaign=campaign,
            annotator=request.user,
            now=clock.now(),
            besides=besides,
            suggest=assistance.for_output,
        )
    except queue_actions.CampaignNotActive as error:
        return {"sheet": None, "why": error.state}
    return {"sheet": lease and sheets.sheet(lease), "why": "" if lease else "nothing_left"}


def _following(request: doors.Request, campaign: Campaign, lease: Lease | None) -> dict[str, Any]:
    if lease is not None:
        return {"sheet": sheets.sheet(lease), "why": ""}
    try:
        queue_actions.say_why_not(campaign=campaign, annotator=request.user)
    except queue_actions.CampaignNotActive as error:
        return {"sheet": None, "why": error.state}
    return {"sheet": None, "why": "nothing_left"}


def _changed(error: judgment_actions.ChangedElsewhere) -> HttpResponse:
    told = {"message": error.message, "kind": "changed_elsewhere", "marked": error.marked, "version": error.version}
    return JsonResponse(told, status=409)
