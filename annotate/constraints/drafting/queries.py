"""What a worker reads before a model drafts: which candidates have no statement of their own, and what they hold."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Left

from annotate.campaigns.models import Tag
from annotate.constraints.drafting import wording
from annotate.constraints.models import Constraint
from annotate.judgments.models import Violation

MOST_TRIES = 3
AT_ONCE = 20
"""How many a sweep drafts at most."""


def wanted() -> Q:
    """Return the condition on constraints that a model may word: candidates that nobody named, with a medoid.

    Those left whose draft is of another medoid, came to nothing yet, or was overwritten by the grouping's template.
    """
    of_another = ~Q(draft__medoid_id=F("medoid_id"))
    is_missing = Q(draft__statement="", draft__try_count__lt=MOST_TRIES)
    is_overwritten = ~Q(draft__statement="") & ~Q(draft__statement=F("statement"))
    is_open = Q(state=Constraint.State.CANDIDATE, named_by=None, is_residual=False, medoid__isnull=False)
    return is_open & (Q(draft=None) | of_another | is_missing | is_overwritten)


def waiting_ids(*, now: datetime) -> list[int]:
    """Return the constraints to be drafted, the largest first; none where no model drafts here."""
    if not settings.DRAFTS_BY:
        return []
    is_free = Q(draft=None) | Q(draft__again_at=None) | Q(draft__again_at__lte=now)
    found = Constraint.objects.filter(wanted(), is_free).order_by("-member_count", "id")
    return list(found.values_list("id", flat=True)[:AT_ONCE])


def material(*, constraint: Constraint) -> wording.Material:
    """Return the medoid's complaint and those of the nearest members, cut in the database."""
    medoid = [] if constraint.medoid_id is None else [constraint.medoid_id]
    nearest = constraint.members.exclude(violation__in=medoid).order_by("-similarity", "id")
    ids = [*medoid, *nearest.values_list("violation_id", flat=True)[: wording.MEMBERS]]
    critique, quote = (
        Left(name, 4 * most)
        for name, most in (("critique", wording.LONGEST_CRITIQUE), ("quote", wording.LONGEST_QUOTE))
    )
    rows = {pk: said for pk, *said in Violation.objects.filter(pk__in=ids).values_list("pk", critique, quote)}
    complaints = [wording.Complaint(critique=rows[pk][0], quote=rows[pk][1]) for pk in ids if pk in rows]
    tag = Tag.objects.filter(tag_set__campaign=constraint.campaign_id, slug=constraint.tag_slug)
    newest = tag.order_by("-tag_set__version").first()
    return wording.Material(
        tag=newest.name if newest else constraint.tag_slug,
        description=newest.description if newest else "",
        complaints=complaints,
    )
