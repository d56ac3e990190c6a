"""The Work page: one output at a time, marked and judged. It knows an output by its lease's token only.

Here is the page itself, which works as a plain form; `work_loop` has what its script asks for afterwards.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from annotate import clock
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag
from annotate.constraints.assistance import queries as assistance
from annotate.intake.models import Output
from annotate.judgments import actions as judgment_actions
from annotate.judgments import drafts
from annotate.judgments import queries as judgment_queries
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions
from annotate.queue.models import Lease
from frontend import doors, preferences, sheets, visible_text
from frontend.views import work_form, work_loop

SKIP_REASONS = ("Not my language", "Too long", "Not readable", "I know who wrote it")
# Stands in the addresses that the page's script fills a lease's token into.
NO_TOKEN = uuid.UUID(int=0)


@never_cache
@require_GET
@doors.campaign_page(*doors.JUDGES)
def work(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """Show the annotator's next output, or say why there is none."""
    try:
        lease = queue_actions.lease_next(
            campaign=campaign, annotator=request.user, now=clock.now(), suggest=assistance.for_output
        )
    except queue_actions.CampaignNotActive:
        lease = None
    after = _just_submitted(request, campaign)
    if lease is None:
        has_outputs = Output.objects.filter(campaign=campaign).exists()
        return _render(request, campaign, lease=None, after=after, has_outputs=has_outputs)
    return _show(request, campaign, lease, after=after)


@never_cache
@require_http_methods(["GET", "POST"])
@doors.campaign_page(*doors.JUDGES)
def output(request: doors.Request, campaign: Campaign, token: uuid.UUID) -> HttpResponse:
    """Show one leased output again, to change what was submitted; or take what was marked on it."""
    lease = work_loop.lease_of(request, campaign, token)
    if request.method == "GET":
        return _show(request, campaign, lease)
    sent = work_form.read(request.POST)
    try:
        return _take(request, campaign, lease, sent)
    except (judgment_actions.NotComplete, judgment_actions.ChangedElsewhere, work_form.NotFilledIn) as error:
        typed = {"error": error, "typed": {name: request.POST.get(name, "") for name in work_form.PLAIN}, "sent": sent}
        return _show(request, campaign, lease, status=422, **typed)


def _take(request: doors.Request, campaign: Campaign, lease: Lease, sent: work_form.Submission) -> HttpResponse:
    """Do what the pressed button says: add, take or remove a violation of the plain form, or submit."""
    violations = list(sent.violations)
    removed, taken = request.POST.get("remove", ""), work_form.suggested(request.POST, lease)
    if taken is not None:
        violations.append(taken)
    elif removed.isdecimal() and int(removed) < len(violations):
        del violations[int(removed)]
    elif added := work_form.plain_violation(request.POST, lease.output.text):
        violations.append(added)
    if "add" in request.POST or removed or taken:
        problems = drafts.check(violations, lease.output.text, campaign_queries.tags_in_force(campaign=campaign))
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


def _show(request: doors.Request, campaign: Campaign, lease: Lease, *, status: int = 200, **more: Any) -> HttpResponse:
    tags = campaign_queries.tags_in_force(campaign=campaign)
    sheet = sheets.sheet(lease)
    if sent := more.get("sent"):
        sheet["marked"] = judgment_queries.marks(violations=sent.violations, comment=sent.comment, verdict=sent.verdict)
        sheet["key"] = str(sent.key)
    context = {
        "lease": lease,
        "sheet": sheet,
        "output_pieces": visible_text.pieces(lease.output.text),
        "output_direction": visible_text.direction(lease.output.text),
        "prompt_blocks": [
            {
                **block,
                "pieces": visible_text.pieces(block["text"]),
                "direction": visible_text.direction(block["text"]),
            }
            for block in sheets.blocks(lease)
        ],
        "tags": tags,
        "kinds": [(kind, list(each)) for kind, each in groupby(sorted(tags, key=_by_kind), key=lambda tag: tag.kind)],
        "suggested": _listed(lease.suggestions or [], tags, lease.output.text),
        "violations_json": json.dumps(sheet["marked"]["violations"]),
        "listed": _listed(sheet["marked"]["violations"], tags, lease.output.text),
        "is_change": lease.state == Lease.State.SUBMITTED,
        "skip_reasons": SKIP_REASONS,
        "typed": {},
        **more,
    }
    return _render(request, campaign, status=status, **context)


def _render(request: doors.Request, campaign: Campaign, *, status: int = 200, **more: Any) -> HttpResponse:
    now = clock.now()
    progress = work_loop.progress_of(request, campaign, now)
    if (lease := more.get("lease")) and lease.state == Lease.State.OPEN:
        progress["left"] += 1
    context = {**progress, "sum": progress["today"] + progress["left"], **more}
    context["data"] = _data(request, campaign, now, progress, more)
    return doors.render(request, "work.html", campaign=campaign, status=status, **context)


def _data(
    request: doors.Request, campaign: Campaign, now: datetime, progress: Mapping[str, Any], shown: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the page's script begins with. Nothing here says where the output comes from."""
    undoable = judgment_queries.undoable(
        campaign=campaign, annotator=request.user, since=now - judgment_actions.UNDO_WITHIN
    )
    return {
        "tags": sheets.tag_rules(shown.get("tags", ())),
        "sheet": shown.get("sheet"),
        "progress": progress,
        "preferences": preferences.for_page(request.user),
        "is_sensitive": campaign.is_sensitive,
        "can_undo": undoable and work_loop.saved(undoable, lease=undoable.token),  # type: ignore[attr-defined]
        "urls": {
            name: reverse(f"work-{name}", args=[campaign.slug, *([NO_TOKEN] if name in work_loop.OF_A_LEASE else [])])
            for name in (*work_loop.OF_THE_PAGE, *work_loop.OF_A_LEASE)
        },
    }


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


def _by_kind(tag: Tag) -> int:
    return list(Tag.Kind.values).index(tag.kind)


urls = [
    path("c/<slug:slug>/work/", work, name="work"),
    path("c/<slug:slug>/work/<uuid:token>/", output, name="work-output"),
    path("c/<slug:slug>/work/next/", work_loop.next_sheet, name="work-next"),
    path("c/<slug:slug>/work/held/", work_loop.held, name="work-held"),
    path("c/<slug:slug>/work/progress/", work_loop.progress, name="work-progress"),
    path("c/<slug:slug>/work/<uuid:token>/judgment/", work_loop.judgment, name="work-judgment"),
    path("c/<slug:slug>/work/<uuid:token>/draft/", work_loop.draft, name="work-draft"),
    path("c/<slug:slug>/work/<uuid:token>/skip/", work_loop.skip, name="work-skip"),
    path("c/<slug:slug>/work/<uuid:token>/undo/", work_loop.undo, name="work-undo"),
    path("c/<slug:slug>/work/<uuid:token>/rendered/", work_loop.rendered_output, name="work-rendered"),
]
