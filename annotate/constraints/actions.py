"""Every write to constraints and their sets.

What people do locks the constraints they touch, by id; so does grouping when it stores a portion (grouping/actions.py).
So the two never wait for each other in a circle, and a sweep sees a person's act whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import acts, queries
from annotate.constraints.checks.models import Check
from annotate.constraints.grouping import actions as grouping_actions
from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import reading, statements
from annotate.constraints.models import Constraint, ConstraintSet, Member, SetEntry
from annotate.constraints.revisions import queries as revisions_queries
from annotate.errors import NotFound, RuleError
from annotate.judgments.models import Violation

LONGEST_STATEMENT = 500


class StatementRefused(RuleError):
    """A statement is empty or too long."""


class Retired(RuleError):
    """The constraint was merged away or emptied meanwhile."""


class NothingChosen(RuleError):
    """The act needs constraints or violations, and none of this campaign were named."""


class WouldEmpty(RuleError):
    """Splitting or moving would leave a constraint without members."""


class NothingAccepted(RuleError):
    """A set needs at least one accepted constraint."""


class Unchanged(RuleError):
    """The last approved set says the same."""


@dataclass(frozen=True, kw_only=True)
class Regrouped:
    new_constraints: int = 0
    assigned: int = 0


def request_grouping(*, campaign: Campaign, now: datetime, by: User | None = None) -> None:
    """Ask that everything no person has settled is grouped anew, soon."""
    grouping_actions.request(campaign=campaign, by=by, now=now)


def regroup(*, campaign_id: int, now: datetime) -> Regrouped:
    """Give every current violation of the campaign its constraint, here and now. Twice changes nothing more.

    Many transactions, see grouping/actions.py; waits for a worker that has one of the tags.
    """
    made = assigned = 0
    for shard_id in grouping_actions.open_regrouping(campaign_id=campaign_id, now=now):
        has_more = True
        while has_more:
            portion = grouping_actions.place_portion(shard_id=shard_id, now=now, wait=True)
            made, assigned, has_more = made + portion.made, assigned + portion.assigned, portion.has_more
    return Regrouped(new_constraints=made, assigned=assigned)


@transaction.atomic
def rename(*, constraint: Constraint, statement: str, by: User, now: datetime) -> Constraint:
    """Say the prohibition in somebody's words. Sweeps keep them, and the statement says whose they are."""
    checked = _statement(statement)
    found = _locked(constraint.campaign_id, [constraint.pk])[0]
    if found.statement == checked and found.named_by_id is not None:
        return found
    act = acts.begin(verb="rename", on=found, touched=[found], by=by, now=now)
    before = found.statement
    found.statement, found.named_by, found.updated_at = checked, by, now
    found.save(update_fields=["statement", "named_by", "updated_at"])
    acts.finish(act, [found])
    _record(by, "rename", found, now, {"before": before, "after": checked})
    return found


@transaction.atomic
def merge(*, into: Constraint, others: Iterable[Constraint], by: User | None, now: datetime) -> Constraint:
    """Move all members of `others` into `into`, which later violations like theirs will join."""
    ids = {each.pk for each in others} - {into.pk}
    if not ids:
        raise NothingChosen("Choose at least two constraints to merge.")
    locked = {each.pk: each for each in _locked(into.campaign_id, [into.pk, *ids])}
    survivor = locked.pop(into.pk)
    moving, touched = Member.objects.filter(constraint__in=list(locked)), [survivor, *locked.values()]
    act = acts.begin(verb="merge", on=survivor, touched=touched, by=by, now=now, moving=moving)
    moving.update(constraint=survivor, is_pinned=True)
    takes_rest = [each for each in locked.values() if each.is_residual and each.tag_slug == survivor.tag_slug]
    for each in locked.values():
        each.state, each.merged_into, each.updated_at = Constraint.State.RETIRED, survivor, now
        each.save(update_fields=["state", "merged_into", "updated_at"])
    survivor.is_residual, survivor.updated_at = survivor.is_residual or bool(takes_rest), now
    survivor.save(update_fields=["is_residual", "updated_at"])
    acts.recount([survivor.pk, *locked])
    acts.finish(act, touched)
    _record(by, "merge", survivor, now, {"merged": sorted(locked)})
    survivor.refresh_from_db()
    return survivor


@transaction.atomic
def split(
    *, constraint: Constraint, violation_ids: Iterable[int], statement: str, by: User, now: datetime
) -> Constraint:
    """Move some members into a new candidate. Without a statement one is drafted from the members."""
    source = _locked(constraint.campaign_id, [constraint.pk])[0]
    chosen = _chosen(source, violation_ids)
    items = reading.items(Violation.objects.filter(pk__in=chosen))
    medoid = grouping.medoid(items)
    made: Constraint = Constraint.objects.create(
        campaign_id=source.campaign_id,
        tag_slug=source.tag_slug,
        kind=source.kind,
        statement=_statement(statement) if statement.strip() else _drafted(source, medoid),
        named_by=by if statement.strip() else None,
        medoid_id=medoid,
        created_at=now,
        updated_at=now,
    )
    moving = Member.objects.filter(violation__in=chosen)
    act = acts.begin(verb="split", on=made, touched=[source], by=by, now=now, moving=moving)
    _repin(chosen, made)
    _after_leaving(source, chosen, now)
    acts.recount([source.pk, made.pk])
    acts.finish(act, [source, made])
    _record(by, "split", made, now, {"from": source.pk, "violations": len(chosen)})
    made.refresh_from_db()
    return made


@transaction.atomic
def move(
    *, constraint: Constraint, violation_ids: Iterable[int], into: Constraint, by: User | None, now: datetime
) -> Constraint:
    """Move some members into another constraint and pin them there."""
    locked = {each.pk: each for each in _locked(constraint.campaign_id, [constraint.pk, into.pk])}
    source, target = locked[constraint.pk], locked[into.pk]
    if source == target:
        return target
    chosen = _chosen(source, violation_ids)
    moving = Member.objects.filter(violation__in=chosen)
    act = acts.begin(verb="move", on=target, touched=[source, target], by=by, now=now, moving=moving)
    _repin(chosen, target)
    _after_leaving(source, chosen, now)
    acts.recount([source.pk, target.pk])
    acts.finish(act, [source, target])
    _record(by, "move", target, now, {"from": source.pk, "violations": len(chosen)})
    target.refresh_from_db()
    return target


def accept(*, constraint: Constraint, by: User | None, now: datetime) -> Constraint:
    """Take the constraint into the next approved set."""
    return _decide_one(constraint, Constraint.State.ACCEPTED, by, now)


def dismiss(*, constraint: Constraint, by: User | None, now: datetime) -> Constraint:
    """Keep the constraint out of approved sets. It goes on gathering what is like it, so that it stays out."""
    return _decide_one(constraint, Constraint.State.DISMISSED, by, now)


def reopen(*, constraint: Constraint, by: User | None, now: datetime) -> Constraint:
    """Make the constraint a candidate again."""
    return _decide_one(constraint, Constraint.State.CANDIDATE, by, now)


@transaction.atomic
def decide(
    *, campaign: Campaign, constraint_ids: Iterable[int], state: str, by: User | None, now: datetime
) -> list[Constraint]:
    """Accept, dismiss or reopen several. Returns those whose state changed."""
    if state not in (Constraint.State.ACCEPTED, Constraint.State.DISMISSED, Constraint.State.CANDIDATE):
        raise RuleError(f"A constraint cannot be made “{state}”; it can be accepted, dismissed or a candidate.")
    ids = list(constraint_ids)
    if not ids:
        raise NothingChosen("Choose at least one constraint.")
    changed = [each for each in _locked(campaign.pk, ids) if each.state != state]
    act = acts.begin(verb=state, on=changed[0], touched=changed, by=by, now=now) if changed else None
    Constraint.objects.filter(pk__in=[each.pk for each in changed]).update(state=state, updated_at=now)
    acts.finish(act, changed)
    for each in changed:
        each.state, each.updated_at = state, now
        _record(by, state, each, now, {})
    return changed


@transaction.atomic
def approve(*, campaign: Campaign, by: User, now: datetime) -> ConstraintSet:
    """Freeze the accepted constraints, with the members and the check each has now, as the campaign's next set.

    Locks the constraints and their checks, so that what is hashed is what is frozen.
    Raises NothingAccepted, or Unchanged when the last set says the same.
    """
    accepted = list(
        Constraint.objects.select_for_update().filter(campaign=campaign, state=Constraint.State.ACCEPTED).order_by("id")
    )
    if not accepted:
        raise NothingAccepted("No constraint is accepted yet. Accept at least one, then approve the set.")
    list(Check.objects.select_for_update().filter(constraint__in=accepted).order_by("id").values_list("id"))
    last, sha256 = queries.latest_set(campaign=campaign), queries.digest(campaign=campaign)
    if last is not None and last.sha256 == sha256:
        raise Unchanged(
            f"Nothing changed since constraint set {last.revision} was approved: the same constraints, in the same "
            "words, with the same members and checks."
        )
    made = ConstraintSet.objects.create(
        campaign=campaign,
        revision=1 if last is None else last.revision + 1,
        sha256=sha256,
        merges=revisions_queries.closed_merges(campaign=campaign, present=[each.pk for each in accepted]),
        approved_by=by,
        approved_at=now,
    )
    _freeze(made, accepted)
    detail = {"revision": made.revision, "sha256": sha256, "constraints": len(accepted)}
    account_actions.record(actor=by, verb="approve", subject=f"constraint set {made.pk}", now=now, detail=detail)
    return made


def renew(*, campaign: Campaign, by: User, now: datetime) -> ConstraintSet:
    """Return the set that holds what is accepted now: the last one when it says so already, else a new revision."""
    try:
        return approve(campaign=campaign, by=by, now=now)
    except Unchanged:
        return ConstraintSet.objects.filter(campaign=campaign).order_by("-revision")[0]


def _freeze(made: ConstraintSet, accepted: Sequence[Constraint]) -> None:
    checks = queries.check_versions(campaign=made.campaign)
    SetEntry.objects.bulk_create(
        SetEntry(
            constraint_set=made,
            constraint=each,
            statement=each.statement,
            tag_slug=each.tag_slug,
            kind=each.kind,
            check_version=checks.get(each.pk),
        )
        for each in accepted
    )
    with connection.cursor() as cursor:
        cursor.execute(_FREEZE_MEMBERS, [made.pk])


_FREEZE_MEMBERS = """
INSERT INTO constraints_setentry_violations (setentry_id, violation_id)
SELECT e.id, m.violation_id FROM constraints_setentry e
JOIN constraints_member m ON m.constraint_id = e.constraint_id
JOIN judgments_violation v ON v.id = m.violation_id
JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
WHERE e.constraint_set_id = %s ORDER BY e.id, m.violation_id
"""


def _decide_one(constraint: Constraint, state: str, by: User | None, now: datetime) -> Constraint:
    decide(campaign=constraint.campaign, constraint_ids=[constraint.pk], state=state, by=by, now=now)
    constraint.refresh_from_db()
    return constraint


def _locked(campaign_id: int, ids: Iterable[int]) -> list[Constraint]:
    """Lock living constraints of one campaign, by id. Raises NotFound for a foreign id, Retired for a dead one."""
    wanted = sorted(set(ids))
    found = list(Constraint.objects.select_for_update().filter(campaign=campaign_id, pk__in=wanted).order_by("id"))
    if len(found) != len(wanted):
        raise NotFound("A chosen constraint is not one of this campaign's. Reload the page and choose again.")
    for each in found:
        if each.state == Constraint.State.RETIRED:
            raise Retired(
                f"“{each.statement}” was merged into another constraint or has no members any more. "
                "Reload the page to see where its members are."
            )
    order = {pk: place for place, pk in enumerate(dict.fromkeys(ids))}
    return sorted(found, key=lambda each: order[each.pk])


def _statement(text: str) -> str:
    checked = " ".join(text.replace("\x00", "").split())
    if not checked:
        raise StatementRefused("Write what the constraint prohibits.", field="statement")
    if len(checked) > LONGEST_STATEMENT:
        raise StatementRefused(
            f"The statement has {len(checked)} characters; {LONGEST_STATEMENT} fit. Shorten it.", field="statement"
        )
    return checked


def _drafted(source: Constraint, medoid: int | None) -> str:
    tag = reading.latest_tag(campaign_id=source.campaign_id, slug=source.tag_slug)
    items = [] if medoid is None else reading.items(Violation.objects.filter(pk=medoid))
    return statements.draft(tag=tag.name, description=tag.description, text=items[0].text if items else None)


def _chosen(source: Constraint, violation_ids: Iterable[int]) -> list[int]:
    """Return which of the violations are members. Raises NothingChosen, or WouldEmpty when they are all of them."""
    wanted = source.members.filter(violation__in=list(violation_ids))
    chosen = sorted(wanted.values_list("violation_id", flat=True))
    if not chosen:
        raise NothingChosen("Choose at least one member of this constraint.")
    if len(chosen) == source.members.count():
        raise WouldEmpty("These are all its members. Rename the constraint, or merge it into another one, instead.")
    return chosen


def _repin(violation_ids: Sequence[int], target: Constraint) -> None:
    Member.objects.filter(violation__in=violation_ids).update(constraint=target, is_pinned=True)


def _after_leaving(source: Constraint, chosen: Sequence[int], now: datetime) -> None:
    """When the medoid went away, take another one, so that what is like it no longer comes here."""
    if source.medoid_id in chosen:
        source.medoid_id = grouping.medoid(
            reading.items(Violation.objects.filter(constraint_member__constraint=source))
        )
    source.updated_at = now
    source.save(update_fields=["medoid", "updated_at"])


def _record(by: User | None, verb: str, constraint: Constraint, now: datetime, detail: dict[str, object]) -> None:
    account_actions.record(
        actor=by, verb=f"constraint {verb}", subject=f"constraint {constraint.pk}", now=now, detail=detail
    )
