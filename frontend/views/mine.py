"""One's own last judgments, to look at again and to change.

A page knows an output by its lease's token only, and its addresses hold nothing else. Only the output's beginning is
shown of what was judged: the prompt may have been a twin. Nothing tells gold from the rest.
"""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpResponse
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.judgments import queries
from annotate.judgments.models import Judgment
from annotate.queue import queries as queue_queries
from frontend import doors
from frontend.views import work_loop

SHOWN = 25
EXCERPT = 240
MARKS_SHOWN = 8
QUOTED = 80


@never_cache
@require_safe
@doors.campaign_page(*doors.JUDGES)
def mine(request: doors.Request, campaign: Campaign) -> HttpResponse:
    """`?verdict=` shows only those; `?before=TOKEN` those older than the one judged under that lease."""
    verdict = request.GET.get("verdict", "")
    verdict = verdict if verdict in Judgment.Verdict.values else ""
    found = _older(_judged(request, campaign, verdict), request, campaign)
    rows = list(found[: SHOWN + 1])
    return doors.render(
        request,
        "mine.html",
        campaign=campaign,
        judgments=[_shown(judgment) for judgment in rows[:SHOWN]],
        next_url=_address(campaign, verdict, before=rows[SHOWN - 1].token) if len(rows) > SHOWN else "",  # type: ignore[attr-defined]
        first_url=_address(campaign, verdict) if request.GET.get("before") else "",
        verdict=verdict,
        filters=[("", "all", _address(campaign, ""))]
        + [(value, label, _address(campaign, value)) for value, label in Judgment.Verdict.choices],
        **work_loop.progress_of(request, campaign, clock.now()),
    )


def _judged(request: doors.Request, campaign: Campaign, verdict: str) -> QuerySet[Judgment]:
    found = queries.mine(campaign=campaign, annotator=request.user)
    found = found.filter(verdict=verdict) if verdict else found
    texts = (
        found.annotate(text_start=Left("output__text", EXCERPT))
        .select_related("output")
        .only("verdict", "comment", "revision", "created_at", "output__id")
    )
    return texts.prefetch_related("violations__tag")


def _older(found: QuerySet[Judgment], request: doors.Request, campaign: Campaign) -> QuerySet[Judgment]:
    """Only what comes after the judgment under the lease in `before`. Anything else in there is ignored."""
    try:
        token = uuid.UUID(request.GET.get("before", ""))
    except ValueError:
        return found
    lease = queue_queries.held(token=token, annotator=request.user).filter(campaign=campaign).first()
    place = queries.mine(campaign=campaign, annotator=request.user).filter(output=lease.output_id if lease else None)
    last = place.values_list("created_at", "pk").first()
    if last is None:
        return found
    return found.filter(Q(created_at__lte=last[0]) & (Q(created_at__lt=last[0]) | Q(pk__lt=last[1])))


def _shown(judgment: Judgment) -> dict[str, Any]:
    violations = list(judgment.violations.all())
    return {
        "judgment": judgment,
        "marks": [{"violation": each, "quote": each.quote[:QUOTED]} for each in violations[:MARKS_SHOWN]],
        "more": max(0, len(violations) - MARKS_SHOWN),
        "changes": judgment.revision - 1,
    }


def _address(campaign: Campaign, verdict: str, *, before: uuid.UUID | None = None) -> str:
    asked = {name: str(value) for name, value in (("verdict", verdict), ("before", before)) if value}
    here = reverse("work-mine", args=[campaign.slug])
    return f"{here}?{urlencode(asked)}" if asked else here


urls = [path("c/<slug:slug>/work/mine/", mine, name="work-mine")]
