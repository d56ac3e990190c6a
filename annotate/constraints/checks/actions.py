"""Every write to executable checks but running them (running.py): versions, steps of their life, weighing, rulings.

Steps and weighing lock the check's row.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Count, Max

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints import actions
from annotate.constraints.checks import checking, judging_queries, precision
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks import sql as check_sql
from annotate.constraints.checks.models import Check, CheckResult, CheckVersion, Ruling, TrustRule
from annotate.constraints.models import Constraint
from annotate.errors import RuleError


class Unchanged(RuleError):
    """The current version says the same."""


class NotEarned(RuleError):
    """The check lacks what the campaign's rule asks for."""


class NothingToRule(RuleError):
    """People and the check do not disagree about this output."""


class RuleRefused(RuleError):
    """A number of the rule of trust is out of its bounds; `field` says which."""


@transaction.atomic
def save(*, constraint: Constraint, text: str, by: User, now: datetime) -> Check:
    """Store the text as the check's next version, which starts anew: no results, and trusted by nobody.

    Locks the constraint. Raises CheckRefused, Unchanged, and Retired when the constraint was merged away or emptied.
    """
    stored = checking.normalised(text)
    checks = checking.read(stored, models=judging_queries.models())
    locked = Constraint.objects.select_for_update().get(pk=constraint.pk)
    if locked.state == Constraint.State.RETIRED:
        raise actions.Retired(
            f"“{locked.statement}” was merged into another constraint or has no members any more. "
            "Give that one a check."
        )
    life = Check.objects.select_for_update().select_related("current").filter(constraint=locked).first()
    if life is not None and life.current.sha256 == checking.sha256(stored) and life.state != checking.RETIRED:
        raise Unchanged(f"Version {life.current.number} says the same.", field="text")
    last = CheckVersion.objects.filter(constraint=locked).aggregate(last=Max("number"))["last"] or 0
    version = CheckVersion.objects.create(
        constraint=locked,
        number=last + 1,
        text=stored,
        declared=checks,
        sha256=checking.sha256(stored),
        created_by=by,
        created_at=now,
    )
    made = _begin_anew(life, version, now)
    _record(by, "check version", made, now, {"version": version.number, "sha256": version.sha256})
    return made


def _begin_anew(life: Check | None, version: CheckVersion, now: datetime) -> Check:
    if life is None:
        return Check.objects.create(constraint=version.constraint, current=version, changed_at=now)
    life.current, life.state, life.changed_at = version, checking.state_after_saving(life.state), now
    life.problem, life.place, life.weighed_at = "", 0, None
    life.run_count = life.violated_count = 0
    life.hit_count = life.alarm_count = life.miss_count = life.clear_count = 0
    life.save()
    return life


@transaction.atomic
def step(*, life: Check, to: str, by: User, now: datetime, asked: check_queries.Asked) -> Check:
    """Take the check to another state of its life. Trust is weighed on the spot.

    Raises WrongState (taking the same step twice too), and NotEarned where the rule of trust says no.
    """
    locked = _locked(life.pk)
    checking.require_step(state=locked.state, to=to)
    if to in checking.RUNNING and locked.constraint.state == Constraint.State.RETIRED:
        raise actions.Retired("The constraint was merged away or has no members any more; its check cannot run.")
    if to == checking.TRUSTED:
        _weigh(locked, now, asked)
        if lacks := _lacking(locked):
            raise NotEarned(f"The check is not trusted yet: {lacks}.")
    _move(locked, to, by, now, {})
    return locked


@transaction.atomic
def give_up(*, life: Check, problem: str, now: datetime) -> None:
    """Make a check a draft that says why it cannot be run, unless it was changed since `life` was read."""
    locked = _locked(life.pk)
    if locked.state in checking.RUNNING and locked.current_id == life.current_id:
        _move(locked, checking.DRAFT, None, now, {"problem": problem[:500]})


@transaction.atomic
def weigh(*, check_id: int, now: datetime, asked: check_queries.Asked) -> Check | None:
    """Compare the check's results with what people say now, and count. A trusted check that no longer earns it falls
    back to shadow; one whose constraint was merged away is retired.

    Returns None when the check does not run, or somebody else is at it. Running it twice changes nothing more.
    """
    rows = Check.objects.select_for_update(skip_locked=True, of=("self",)).select_related("constraint", "current")
    life = rows.filter(pk=check_id, state__in=checking.RUNNING).first()
    if life is None:
        return None
    if life.constraint.state == Constraint.State.RETIRED:
        _move(life, checking.RETIRED, None, now, {"problem": "its constraint was merged away or emptied"})
        return life
    _weigh(life, now, asked)
    lacks = _lacking(life)
    if life.state == checking.TRUSTED and lacks:
        _move(life, checking.SHADOW, None, now, {"lacks": lacks})
    return life


def _weigh(life: Check, now: datetime, asked: check_queries.Asked) -> None:
    arguments = check_queries.arguments(constraint=life.constraint, asked=asked)
    with connection.cursor() as cursor:
        cursor.execute(check_sql.STORE_SAY, {**arguments, "version": life.current_id})
    rows = CheckResult.objects.filter(version=life.current_id).values_list("violated", "people").annotate(n=Count("pk"))
    found = {(violated, people): n for violated, people, n in rows.order_by()}
    life.run_count = sum(found.values())
    life.violated_count = sum(n for (violated, _), n in found.items() if violated)
    life.hit_count, life.alarm_count = found.get((True, True), 0), found.get((True, False), 0)
    life.miss_count, life.clear_count = found.get((False, True), 0), found.get((False, False), 0)
    life.weighed_at = now
    life.save()


def _lacking(life: Check) -> str:
    rule = check_queries.trust_rule(campaign=life.constraint.campaign)
    return precision.lacking(counts=check_queries.counts(life), precision=rule.precision, adjudicated=rule.adjudicated)


@transaction.atomic
def rule(*, result: CheckResult, side: str, by: User, now: datetime) -> Ruling:
    """Decide between people and the check about one output. It is what people say from then on, of later versions too.

    A second ruling replaces the first. Raises NothingToRule where they agree or people say nothing.
    """
    if side not in Ruling.Side.values:
        raise RuleError("Say whether the check is right or people are.")
    locked = CheckResult.objects.select_for_update(of=("self",)).select_related("version").get(pk=result.pk)
    constraint_id = locked.version.constraint_id
    is_ruled = Ruling.objects.filter(constraint=constraint_id, output=locked.output_id).exists()
    if not is_ruled and locked.people in (None, locked.violated):
        raise NothingToRule("People and the check do not disagree about this output any more. Reload the page.")
    violated = locked.violated if side == Ruling.Side.CHECK else not locked.violated
    values: dict[str, Any] = {"version": locked.version, "side": side, "violated": violated}
    made, _ = Ruling.objects.update_or_create(
        constraint_id=constraint_id,
        output_id=locked.output_id,
        defaults={**values, "ruled_by": by, "ruled_at": now},
    )
    CheckResult.objects.filter(version__constraint=constraint_id, output=locked.output_id).update(people=violated)
    detail = {"output": locked.output_id, "side": side, "violated": violated}
    account_actions.record(
        actor=by, verb="check ruling", subject=check_queries.subject(constraint_id), now=now, detail=detail
    )
    return made


@transaction.atomic
def set_trust_rule(*, campaign: Campaign, precision: float, adjudicated: int, by: User, now: datetime) -> TrustRule:
    """Set when the campaign trusts a check. Checks that no longer earn it fall back when they are weighed next."""
    if not math.isfinite(precision):
        raise RuleRefused("The bound of the precision must be a number.", field="precision")
    found = check_queries.trust_rule(campaign=campaign)
    found.precision, found.adjudicated = precision, adjudicated
    try:
        found.clean_fields(exclude=["id", "campaign"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise RuleRefused(messages[0], field=field) from error
    found.save()
    detail = {"precision": precision, "adjudicated": adjudicated}
    account_actions.record(actor=by, verb="check trust rule", subject=f"campaign {campaign.pk}", now=now, detail=detail)
    return found


def _locked(check_id: int) -> Check:
    rows = Check.objects.select_for_update(of=("self",)).select_related("constraint__campaign", "current")
    found: Check = rows.get(pk=check_id)
    return found


def _move(life: Check, to: str, by: User | None, now: datetime, detail: dict[str, object]) -> None:
    """Change the state, with the counts it was changed on. Whoever calls has locked the row."""
    numbers = check_queries.counts(life)
    known = {"version": life.current.number, "from": life.state, "precision above": round(numbers.precision.low, 3)}
    life.state, life.changed_at, life.problem = to, now, str(detail.get("problem", ""))
    life.save()
    _record(by, f"check {to}", life, now, {**known, "marked and decided": numbers.precision.of, **detail})


def _record(by: User | None, verb: str, life: Check, now: datetime, detail: dict[str, object]) -> None:
    account_actions.record(
        actor=by, verb=verb, subject=check_queries.subject(life.constraint_id), now=now, detail=detail
    )
