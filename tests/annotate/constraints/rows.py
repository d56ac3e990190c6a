"""Constraints with members, put there without a sweep."""

from __future__ import annotations

from annotate.campaigns.models import Campaign
from annotate.constraints.models import Constraint, Member
from tests import factories
from tests.factories import NOW


def constraint(
    campaign: Campaign,
    statement: str,
    *,
    members: int = 1,
    state: str = "accepted",
    tag: str = "invented-fact",
    is_pinned: bool = False,
) -> Constraint:
    """A constraint whose members each say its statement and their own number; the first one is the medoid."""
    made: Constraint = Constraint.objects.create(
        campaign=campaign,
        tag_slug=tag,
        kind="factual",
        statement=statement,
        state=state,
        member_count=members,
        created_at=NOW,
        updated_at=NOW,
    )
    for number in range(members):
        violation = {"tag": tag, "critique": f"{statement} {number}", "severity": "major"}
        judged = factories.judgment(factories.output(campaign), violations=[violation])
        Member.objects.create(constraint=made, violation=judged.violations.get(), is_pinned=is_pinned)
    made.medoid_id = made.members.order_by("id").values_list("violation_id", flat=True).first()
    made.save()
    return made


def violations(constraint: Constraint) -> list[int]:
    return list(constraint.members.order_by("violation_id").values_list("violation_id", flat=True))
