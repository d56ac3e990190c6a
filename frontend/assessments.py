"""What pages of figures about annotators share: the row they show, whether it is behind, and asking for it again."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseRedirect

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.quality import actions, assessment_queries
from annotate.quality.assessing import Question
from annotate.quality.models import Assessment
from frontend import doors
from worker.tasks import quality as tasks


def context(*, campaign: Campaign, question: Question) -> dict[str, Any]:
    """Return `assessment`, None before anybody or the sweep asked, and where it stands. Two queries."""
    found = assessment_queries.assessment(campaign=campaign, question=question)
    mark = assessment_queries.standing(campaign=campaign)
    is_computed = found is not None and found.computed_at is not None
    return {
        "assessment": found,
        "is_computed": is_computed,
        "is_awaited": found is not None and found.requested_at is not None,
        "is_behind": found is not None and is_computed and found.fingerprint != mark,
        "is_kept_up": question in assessment_queries.KEPT_UP,
        "has_judgments": bool(mark),
    }


def ask(request: doors.Request, campaign: Campaign, question: Question) -> HttpResponseRedirect:
    """Have it computed, and show the same page again."""
    made: Assessment = actions.request(campaign=campaign, question=question, by=request.user, now=clock.now())
    tasks.compute.nudge(made.pk)
    return HttpResponseRedirect(request.get_full_path())
