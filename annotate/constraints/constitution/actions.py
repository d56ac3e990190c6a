"""Take over the principles of a constitution, written here or elsewhere: all of them or none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks.checking import CheckRefused
from annotate.constraints.checks.models import Check
from annotate.constraints.constitution import reading as constitution_reading
from annotate.constraints.constitution.reading import Brought, Problem
from annotate.constraints.models import Constraint
from annotate.errors import RuleError


class ConstitutionRefused(RuleError):
    """Nothing was stored. `problems` says of each line what is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("Nothing was imported. " + " ".join(map(str, problems)), field="constitution")
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Imported:
    """`made` anew, `accepted` that were candidates, `known` as accepted before, `left` as somebody rejected them."""

    made: int = 0
    accepted: int = 0
    known: int = 0
    left: int = 0


@transaction.atomic
def import_constitution(*, campaign: Campaign, data: bytes, by: User, now: datetime) -> Imported:
    """Make each principle an accepted constraint, named by `by`; one with this statement and tag is there once.

    A constraint that somebody rejected stays rejected. A check becomes a draft where the constraint has none. Locks the
    campaign, so that two imports at once are one after the other. Raises ConstitutionRefused, and then stores nothing.
    """
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    brought = _read(data)
    tags = {tag.slug: tag for tag in campaign_queries.current_tag_set(campaign=campaign).tags.all()}
    if problems := [problem for each in brought if (problem := _misplaced(each, tags)) is not None]:
        raise ConstitutionRefused(problems[: constitution_reading.PROBLEMS_TOLD])
    outcomes = [_take(campaign, each, tags[each.tag], by, now) for each in brought]
    found = Imported(**{name: outcomes.count(name) for name in ("made", "accepted", "known", "left")})
    detail = {"principles": len(brought), "made": found.made, "accepted": found.accepted, "left": found.left}
    subject = f"campaign {campaign.pk}"
    account_actions.record(actor=by, verb="import constitution", subject=subject, now=now, detail=detail)
    return found


def _read(data: bytes) -> list[Brought]:
    try:
        return constitution_reading.read(data)
    except constitution_reading.Unreadable as error:
        raise ConstitutionRefused(error.problems) from error


def _misplaced(each: Brought, tags: dict[str, Tag]) -> Problem | None:
    tag = tags.get(each.tag)
    if tag is None:
        return Problem(each.line, f"this campaign has no tag “{each.tag}”; add it on the Tags page, or change the file")
    if each.kind and each.kind != tag.kind:
        return Problem(each.line, f"the tag “{each.tag}” is {tag.kind} here, not {each.kind}")
    return None


def _take(campaign: Campaign, each: Brought, tag: Tag, by: User, now: datetime) -> str:
    found, outcome = _placed(campaign, each, tag, by, now)
    if each.check is not None and outcome != "left" and not Check.objects.filter(constraint=found).exists():
        text = json.dumps(each.check, ensure_ascii=False, indent=2)
        try:
            check_actions.save(constraint=found, text=text, by=by, now=now)
        except CheckRefused as error:
            raise ConstitutionRefused([Problem(each.line, error.message.rstrip("."))]) from error
    return outcome


def _placed(campaign: Campaign, each: Brought, tag: Tag, by: User, now: datetime) -> tuple[Constraint, str]:
    """Return the principle's constraint, and what became of it: a field of Imported."""
    same = Constraint.objects.living().filter(campaign=campaign, tag_slug=each.tag, statement=each.statement)
    order = [Constraint.State.ACCEPTED, Constraint.State.DISMISSED, Constraint.State.CANDIDATE]
    found = min(
        same.select_for_update(), key=lambda one: (order.index(Constraint.State(one.state)), one.pk), default=None
    )
    if found is None:
        made = Constraint.objects.create(
            campaign=campaign,
            tag_slug=tag.slug,
            kind=tag.kind,
            statement=each.statement,
            named_by=by,
            state=Constraint.State.ACCEPTED,
            created_at=now,
            updated_at=now,
        )
        return made, "made"
    if found.state != Constraint.State.CANDIDATE:
        return found, "known" if found.state == Constraint.State.ACCEPTED else "left"
    found.state, found.named_by, found.updated_at = Constraint.State.ACCEPTED, found.named_by or by, now
    found.save(update_fields=["state", "named_by", "updated_at"])
    return found, "accepted"
