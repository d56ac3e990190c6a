"""The Work page: one output at a time, marked and judged. It knows an output by its lease's token only."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotate import clock
from annotate.campaigns.models import Campaign, Tag
from annotate.errors import NotFound
from annotate.intake.models import Output, Prompt
from annotate.judgments import actions as judgment_actions
from annotate.judgments import drafts
from annotate.judgments import queries as judgment_queries
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
from annotate.queue import queries as queue_queries
from annotate.queue.models import Lease
from frontend import doors, visible_text
from frontend.views import work_form

LEFT_AT_MOST = 100  # every page counts them anew
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
SKIP_REASONS = ("Not my language", "Too long", "Not readable", "I know who wrote it")


@never_cache
@require_GET
@doors.campaign_page(*doors.JUDGES)
def work(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Show the annotator's next output, or say why there is none."""
    now = clock.now()
    try:
        lease = queue_actions.lease_next(campaign=campaign, annotator=request.user, now=now)
    except queue_actions.CampaignNotActive:
        lease = None
    after = _just_submitted(request, campaign)
    if lease is None:
        has_outputs = Output.objects.filter(campaign=campaign).exists()
        return _render(request, campaign, now, after=after, has_outputs=has_outputs)
    return _show(request, campaign, _lease(request, campaign, lease.token), now, after=after)


@never_cache
@require_http_methods(["GET", "POST"])
@doors.campaign_page(*doors.JUDGES)
def output(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Show one leased output again, to change what was submitted; or take what was marked on it."""
    lease = _lease(request, campaign, token)
    if request.method == "GET":
        return _show(request, campaign, lease, clock.now())
    sent = work_form.read(request.POST)
    try:
        return _take(request, campaign, lease, sent)
    except (judgment_actions.NotComplete, judgment_actions.DraftChanged, work_form.NotFilledIn) as error:
        typed = {"error": error, "typed": {name: request.POST.get(name, "") for name in work_form.PLAIN}, "sent": sent}
        return _show(request, campaign, lease, clock.now(), status=422, **typed)


@require_POST
@doors.campaign_page(*doors.JUDGES)
def draft(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Keep what is marked so far; answers the version that the next change is made on."""
    _lease(request, campaign, token)
    payload, version = work_form.read_json(request)
    try:
        saved = judgment_actions.save_draft(
            token=token, annotator=request.user, payload=payload, version=version, now=clock.now()
        )
    except judgment_actions.DraftChanged as error:
        return JsonResponse({"message": error.message, "version": error.version}, status=409)
    return JsonResponse({"version": saved.draft_version})


@require_POST
@doors.campaign_page(*doors.JUDGES)
def skip(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    _lease(request, campaign, token)
    reason = request.POST.get("reason_text") or request.POST.get("reason", "")
    queue_actions.skip(token=token, annotator=request.user, reason=reason, now=clock.now())
    return redirect("work", slug=campaign.slug)


def _lease(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> Lease:
    held = queue_queries.held(token=token, annotator=request.user).filter(campaign=campaign)
    lease = held.select_related("output__prompt", "campaign").first()
    if lease is None:
        raise NotFound("This output is not leased to you. Open the work page again to get your next one.")
    return lease


def _take(request: doors.Request, campaign: Campaign, lease: Lease, sent: work_form.Submission) -> HttpResponse:
    """Do what the pressed button says: add or remove a violation of the plain form, or submit."""
    violations = list(sent.violations)
    removed = request.POST.get("remove", "")
    if removed.isdecimal() and int(removed) < len(violations):
        del violations[int(removed)]
    elif added := work_form.plain_violation(request.POST, lease.output.text):
        violations.append(added)
    if "add" in request.POST or removed:
        problems = drafts.check(violations, lease.output.text, judgment_queries.tags_in_force(campaign=campaign))
        if problems:
            raise judgment_actions.NotComplete(problems)
        kept = work_form.payload(violations, comment=sent.comment, verdict="")
        judgment_actions.save_draft(
            token=lease.token, annotator=request.user, payload=kept, version=sent.version, now=clock.now()
        )
        return redirect("work-output", slug=campaign.slug, token=lease.token)
    judgment_actions.submit(
        token=lease.token,
        annotator=request.user,
        verdict=sent.verdict,
        violations=violations,
        idempotency_key=sent.key,
        now=clock.now(),
        comment=sent.comment,
    )
    return HttpResponseRedirect(f"{reverse('work', args=[campaign.slug])}?after={lease.token}")


def _just_submitted(request: doors.Request, campaign: Campaign) -> Judgment | None:
    """Return the judgment that led here, to offer changing it. Its lease's token is in `after`."""
    try:
        token = uuid.UUID(request.GET.get("after", ""))
    except ValueError:
        return None
    judgment = judgment_queries.submitted(campaign=campaign, annotator=request.user, token=token)
    if judgment:
        judgment.token = token  # type: ignore[attr-defined]
    return judgment


def _show(
    request: doors.Request, campaign: Campaign, lease: Lease, now: datetime, *, status: int = 200, **more: Any
) -> HttpResponse:
    tags = judgment_queries.tags_in_force(campaign=campaign)
    marked = _marked(lease, more.get("sent"))
    context = {
        "lease": lease,
        "output_pieces": visible_text.pieces(lease.output.text),
        "prompt_blocks": _blocks(lease.output.prompt),
        "language": _language(lease.output),
        "tags": tags,
        "kinds": [(kind, list(each)) for kind, each in groupby(sorted(tags, key=_by_kind), key=lambda tag: tag.kind)],
        "marked": marked,
        "violations_json": json.dumps(marked["violations"]),
        "listed": _listed(marked["violations"], tags, lease.output.text),
        "is_change": lease.state == Lease.State.SUBMITTED,
        "key": more["sent"].key if "sent" in more else uuid.uuid4(),
        "data": _data(campaign, lease, tags, marked),
        "skip_reasons": SKIP_REASONS,
        "typed": {},
        **more,
    }
    return _render(request, campaign, now, status=status, **context)


def _render(
    request: doors.Request, campaign: Campaign, now: datetime, *, status: int = 200, **more: Any
) -> HttpResponse:
    midnight = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    today = judgment_queries.judged_since(campaign=campaign, annotator=request.user, since=midnight)
    left = queue_queries.left(campaign=campaign, annotator=request.user, at_most=LEFT_AT_MOST)
    if (lease := more.get("lease")) and lease.state == Lease.State.OPEN:
        left += 1
    context = {"today": today, "left": left, "is_more_left": left >= LEFT_AT_MOST, "sum": today + left, **more}
    return doors.render(request, "work.html", campaign=campaign, status=status, **context)


def _marked(lease: Lease, sent: work_form.Submission | None) -> dict[str, Any]:
    """Return what is marked so far: what was just refused, else the draft, else the judgment to be changed."""
    if sent is not None:
        kept: Mapping[str, Any] = work_form.payload(sent.violations, comment=sent.comment, verdict=sent.verdict)
    elif lease.draft is not None:
        kept = lease.draft
    elif lease.state == Lease.State.SUBMITTED and (judgment := judgment_queries.last_of(lease=lease)):
        given = judgment_queries.as_drafts(judgment=judgment)
        kept = work_form.payload(given, comment=judgment.comment, verdict=judgment.verdict)
    else:
        kept = work_form.payload([], comment="", verdict="")
    return {**kept, "version": lease.draft_version}


def _listed(violations: Sequence[Mapping[str, Any]], tags: Sequence[Tag], text: str) -> list[dict[str, Any]]:
    names = {tag.slug: tag.name for tag in tags}
    return [
        {
            **violation,
            "name": names.get(violation["tag"], violation["tag"]),
            "quote": "" if violation["start"] is None else text[violation["start"] : violation["end"]],
        }
        for violation in violations
    ]


def _blocks(prompt: Prompt) -> list[dict[str, Any]]:
    """Return the prompt as blocks of a role and its text; a plain prompt is one block without a role."""
    if not prompt.messages:
        return [{"role": "", "pieces": visible_text.pieces(prompt.text)}]
    return [
        {"role": str(message.get("role", "")), "pieces": visible_text.pieces(_content(message))}
        for message in prompt.messages
    ]


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) if isinstance(part, dict) else str(part) for part in content)


def _language(output: Output) -> str:
    given = str(output.meta.get("lang") or output.meta.get("language") or "")
    return given if LANGUAGE.fullmatch(given) else ""


def _by_kind(tag: Tag) -> int:
    return list(Tag.Kind.values).index(tag.kind)


def _data(campaign: Campaign, lease: Lease, tags: Sequence[Tag], marked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page's script needs. Nothing here says where the output comes from."""
    rules = ("slug", "name", "kind", "key", "severity_rule", "span_rule")
    return {
        "token": str(lease.token),
        "length": len(lease.output.text),
        "language": _language(lease.output),
        "tags": [{rule: getattr(tag, rule) for rule in rules} for tag in tags],
        "marked": marked,
        "draft_url": reverse("work-draft", args=[campaign.slug, lease.token]),
    }


urls = [
    path("c/<slug:slug>/work/", work, name="work"),
    path("c/<slug:slug>/work/<uuid:token>/", output, name="work-output"),
    path("c/<slug:slug>/work/<uuid:token>/draft/", draft, name="work-draft"),
    path("c/<slug:slug>/work/<uuid:token>/skip/", skip, name="work-skip"),
]
