"""Outputs that everybody skipped: a reviewer judges them, or sets them aside with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.db.models.functions import Left
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_POST, require_safe

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.errors import NotFound, RuleError
from annotate.queue import actions, queries
from annotate.queue.models import Lease, QueueItem
from frontend import doors, paging

ROLES = (doors.ADMIN, doors.REVIEWER)
SHOWN = 25
EXCERPT = 240
REASON_LIMIT = 200
COUNTED_AT_MOST = 100


@require_safe
@doors.campaign_page(*ROLES)
def skipped(request: doors.Request, campaign: Campaign) -> HttpResponse:
    return _page(request, campaign)


@require_POST
@doors.campaign_page(*ROLES)
def judge(request: doors.Request, campaign: Campaign, output_id: int) -> HttpResponse:
    """Lease the output to the reviewer and show it on the Work page."""
    try:
        lease = actions.lease_output(campaign=campaign, annotator=request.user, output_id=output_id, now=clock.now())
    except actions.NoSlot as error:
        messages.error(request, error.message)
        return _back(campaign)
    return redirect("work-output", slug=campaign.slug, token=lease.token)


@require_POST
@doors.campaign_page(*ROLES)
def set_aside(request: doors.Request, campaign: Campaign, output_id: int) -> HttpResponse:
    """Want no judgment of the output any more. The reason is kept in the audit trail."""
    if not QueueItem.objects.filter(pk=output_id, campaign=campaign).exists():
        raise NotFound(f"{campaign.name} has no such output in its queue.")
    reason = " ".join(request.POST.get("reason", "").replace("\x00", "").split())
    if not reason or len(reason) > REASON_LIMIT:
        error = RuleError(f"Say why nobody needs to judge it, in at most {REASON_LIMIT} characters.", field="reason")
        return _page(request, campaign, refused={"output_id": output_id, "error": error, "reason": reason}, status=422)
    if actions.set_aside(campaign=campaign, output_ids=[output_id], by=request.user, now=clock.now(), reason=reason):
        messages.success(request, f"Output {output_id} was set aside. It is handed out to nobody.")
    else:
        messages.info(request, f"Nothing more was wanted of output {output_id}; nothing changed.")
    return _back(campaign)


def count(*, campaign: Campaign) -> str:
    """How many there are, for the overview: as a number up to COUNTED_AT_MOST, then with a plus; empty for none."""
    found = queries.skipped_by_all(campaign=campaign).order_by()[: COUNTED_AT_MOST + 1].count()
    return f"{COUNTED_AT_MOST}+" if found > COUNTED_AT_MOST else str(found or "")


def _page(request: doors.Request, campaign: Campaign, *, status: int = 200, **context: Any) -> HttpResponse:
    found = queries.skipped_by_all(campaign=campaign).select_related("output__prompt")
    excerpts = found.annotate(
        text_start=Left("output__text", EXCERPT), prompt_start=Left("output__prompt__text", EXCERPT)
    ).defer("output__text", "output__meta", "output__prompt__text", "output__prompt__messages", "output__prompt__twins")
    page = paging.by_id(excerpts, request, size=SHOWN)
    context |= {"page": page, "rows": _rows(page.items), "reason_limit": REASON_LIMIT}
    return doors.render(request, "skipped.html", context, campaign=campaign, tab="overview", status=status)


def _rows(items: Iterable[QueueItem]) -> list[tuple[QueueItem, list[Lease]]]:
    """Each item with its skips, in the order of their times. One statement for the page."""
    items = list(items)
    skips = Lease.objects.filter(output__in=[item.pk for item in items], state=Lease.State.SKIPPED)
    by_output: dict[int, list[Lease]] = defaultdict(list)
    for lease in skips.select_related("annotator").defer("draft").order_by("closed_at", "pk"):
        by_output[lease.output_id].append(lease)
    return [(item, by_output[item.pk]) for item in items]


def _back(campaign: Campaign) -> HttpResponse:
    return HttpResponseRedirect(reverse("skipped", args=[campaign.slug]))


urls = [
    path("c/<slug:slug>/skipped/", skipped, name="skipped"),
    path("c/<slug:slug>/skipped/<int:output_id>/judge/", judge, name="skipped-judge"),
    path("c/<slug:slug>/skipped/<int:output_id>/aside/", set_aside, name="skipped-aside"),
]
