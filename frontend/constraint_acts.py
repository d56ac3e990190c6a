"""Taking back what one did to constraints, on each page where it can be done."""

from __future__ import annotations

from typing import Any

from django.contrib import messages

from annotate import clock
from annotate.campaigns.models import Campaign
from annotate.constraints import acts
from annotate.errors import RuleError
from frontend import doors


def context(request: doors.Request, campaign: Campaign) -> dict[str, Any]:
    """Return what constraint_undo.html and constraint_keys.html show."""
    act = acts.last(campaign=campaign, by=request.user)
    return {
        "last_act": act,
        "last_said": "" if act is None else acts.said(act),
        "return_to": (request.htmx.current_url_abs_path or "") if request.htmx else request.get_full_path(),
        "has_single_keys": request.user.preferences.get("single_keys", True),
    }


def undo(request: doors.Request, campaign: Campaign) -> None:
    """Take back the act that the form names. Raises NothingToUndo, CannotUndo."""
    act = request.POST.get("act", "")
    if not (act.isascii() and act.isdigit() and len(act) < 19):
        raise RuleError("This page does not say what to take back. Reload it and try again.")
    taken_back = acts.undo(campaign=campaign, by=request.user, now=clock.now(), act_id=int(act))
    messages.success(request, f"Taken back: {acts.said(taken_back)}.")
