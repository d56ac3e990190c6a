"""What other rooms and doors read of constraints and their sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check, CheckVersion
from annotate.constraints.models import Constraint, ConstraintSet, Member, SetEntry
from annotate.errors import NotFound

MARGIN = 2000
"""Judgments below the last one seen that are looked at again: their transactions may have ended later."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What a constraint's members look like together."""

    members: int = 0
    minor: int = 0
    major: int = 0
    critical: int = 0
    annotators: int = 0
    people: int = 0

    @property
    def without_severity(self) -> int:
        return self.members - self.minor - self.major - self.critical


@dataclass(frozen=True, kw_only=True)
class TagTotal:
    slug: str
    constraints: int
    violations: int


def constraint(*, campaign: Campaign, constraint_id: int) -> Constraint:
    """Return one constraint of the campaign, retired ones too. Raises NotFound."""
    found: Constraint | None = (
        Constraint.objects.select_related("merged_into", "named_by", "draft")
        .filter(campaign=campaign, pk=constraint_id)
        .first()
    )
    if found is None:
        raise NotFound("This campaign has no such constraint. It may belong to another campaign.")
    return found


def latest_set(*, campaign: Campaign) -> ConstraintSet | None:
    return ConstraintSet.objects.filter(campaign=campaign).order_by("-revision").first()


def constraint_set(*, campaign: Campaign, revision: int) -> ConstraintSet:
    found = ConstraintSet.objects.filter(campaign=campaign, revision=revision).first()
    if found is None:
        raise NotFound(f"This campaign has no approved constraint set {revision}.")
    return found


def sets(*, campaign: Campaign) -> QuerySet[ConstraintSet]:
    return (
        ConstraintSet.objects.filter(campaign=campaign)
        .select_related("approved_by")
        .annotate(entry_count=Count("entries"))
        .order_by("-id")
    )


def entries(*, constraint_set: ConstraintSet) -> QuerySet[SetEntry]:
    """Return the entries, each with `violation_count`, the largest first."""
    return constraint_set.entries.annotate(violation_count=Count("violations")).order_by("-violation_count", "id")


def tags(*, campaign: Campaign) -> list[TagTotal]:
    """Return what the living constraints of each tag hold, the largest tag first."""
    rows = (
        Constraint.objects.living()
        .filter(campaign=campaign)
        .values_list("tag_slug")
        .annotate(constraints=Count("id"), violations=Sum("member_count"))
        .order_by("-violations", "tag_slug")
    )
    return [TagTotal(slug=slug, constraints=count, violations=total) for slug, count, total in rows]


def states(*, campaign: Campaign) -> dict[str, int]:
    """Return how many living constraints are in each state."""
    rows = Constraint.objects.living().filter(campaign=campaign).values_list("state").annotate(Count("id"))
    return dict(rows.order_by("state"))


def mixes(*, constraint_ids: Iterable[int]) -> dict[int, Mix]:
    """Return what the members of each constraint look like. One query."""
    severity = "violation__severity"
    annotator = "violation__judgment__annotator"
    found = (
        Member.objects.filter(constraint__in=list(constraint_ids))
        .values_list("constraint_id")
        .annotate(
            members=Count("id"),
            minor=Count("id", filter=Q(**{severity: "minor"})),
            major=Count("id", filter=Q(**{severity: "major"})),
            critical=Count("id", filter=Q(**{severity: "critical"})),
            annotators=Count(annotator, distinct=True),
            people=Count(annotator, distinct=True, filter=Q(**{f"{annotator}__kind": "person"})),
        )
    )
    names = ("members", "minor", "major", "critical", "annotators", "people")
    return {pk: Mix(**dict(zip(names, counts, strict=True))) for pk, *counts in found}


def members(*, constraint: Constraint) -> QuerySet[Member]:
    """Return the members with all a page shows of them, those nearest to the medoid first."""
    return (
        constraint.members.select_related(
            "violation__tag", "violation__judgment__annotator", "violation__judgment__output"
        )
        .defer("violation__judgment__output__meta")
        .order_by("-similarity", "id")
    )


def check_versions(*, campaign: Campaign) -> dict[int, CheckVersion]:
    """Return what the checks of the accepted constraints say now, by constraint, without those that are retired."""
    lives = Check.objects.filter(constraint__campaign=campaign, constraint__state=Constraint.State.ACCEPTED)
    found = lives.exclude(state=Check.State.RETIRED).select_related("current").defer("current__text")
    return {each.constraint_id: each.current for each in found}


def digest(*, campaign: Campaign) -> str:
    """Return the sha256 of what approving now would freeze: the accepted constraints, their current members and checks.

    The text hashed is one JSON line per constraint, by id: [id, statement, tag, kind, [violation ids]], and after them,
    of a constraint with a check, [number, sha256] of its version.
    """
    checks = check_versions(campaign=campaign)
    accepted = Constraint.objects.filter(campaign=campaign, state=Constraint.State.ACCEPTED).order_by("id")
    sha = hashlib.sha256()
    for each in accepted.iterator():
        ids = (
            each.members.filter(violation__judgment__is_current=True)
            .order_by("violation_id")
            .values_list("violation_id", flat=True)
        )
        line = [each.pk, each.statement, each.tag_slug, each.kind, list(ids)]
        if (check := checks.get(each.pk)) is not None:
            line.append([check.number, check.sha256])
        sha.update(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return sha.hexdigest()
