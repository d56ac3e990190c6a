"""Taking back what one did to constraints, on each page where it can be done."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.urls import reverse

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints import acts
from annotate.constraints.models import Act
from annotate.errors import RuleError
from frontend import doors


def context(request: doors.Request, campaign: Campaign) -> dict[str, Any]:
    """Return what constraint_undo.html and constraint_keys.html show."""
    act = acts.last(campaign=campaign, by=request.user)
    here = (request.htmx.current_url_abs_path or "") if request.htmx else request.get_full_path()
    return {
        "last_act": act,
        "last_said": "" if act is None else acts.said(act),
        "return_to": here if act is None else _after_undo(act, campaign, here),
        "has_single_keys": request.user.preferences.get("single_keys", True),
    }


def _after_undo(act: Act, campaign: Campaign, here: str) -> str:
    """Return where to go once it is undone: here, or to where the members were if it made what is shown here."""
    made = reverse("constraint", args=[campaign.slug, act.constraint_id])
    if str(act.constraint_id) in act.before or not here.startswith(made):
        return here
    member = act.members.order_by("pk").first()
    return here if member is None else reverse("constraint", args=[campaign.slug, member.constraint_id])


def undo(request: doors.Request, campaign: Campaign) -> None:
    """Take back the act that the form names. Raises NothingToUndo, CannotUndo."""
    act = request.POST.get("act", "")
    if not (act.isascii() and act.isdigit() and len(act) < 19):
        raise RuleError("This page does not say what to take back. Reload it and try again.")
    taken_back = acts.undo(campaign=campaign, by=request.user, now=clock.now(), act_id=int(act))
    messages.success(request, f"Taken back: {acts.said(taken_back)}.")
