"""The record of what people do to constraints, from which the last act of each can be taken back, exactly.

An action calls `begin` before it changes anything and `finish` after, inside its transaction, with its constraints
locked. `undo` puts back what stood there: fields, members and pins. It is refused when somebody changed that since;
what sweeps did (a member that joined, a judgment that was withdrawn) does not stand in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.models import Act, ActMember, Constraint, Member, SetEntry
from annotate.errors import RuleError
from annotate.judgments.models import Violation

FIELDS = ("statement", "named_by_id", "state", "merged_into_id", "is_residual", "medoid_id")
UNDO = "undo"
SAYS = {
    "rename": "renaming to",
    "merge": "merging into",
    "split": "splitting off",
    "move": "moving members to",
    "accepted": "accepting",
    "dismissed": "dismissing",
    "candidate": "reopening",
}
"""What each act is called before the constraint's statement."""

Values = dict[str, dict[str, Any]]


class NothingToUndo(RuleError):
    """The person did nothing here that is not taken back already."""


class CannotUndo(RuleError):
    """What the act changed was changed again since."""


def begin(
    *,
    verb: str,
    on: Constraint,
    touched: Sequence[Constraint],
    by: User | None,
    now: datetime,
    moving: QuerySet[Member] | None = None,
) -> Act | None:
    """Remember what stands there: the fields of `touched`, and where the members `moving` are that go to `on`.

    Returns None for what nobody did: there is no one to take it back.
    """
    if by is None:
        return None
    act = Act.objects.create(
        campaign_id=on.campaign_id, actor=by, verb=verb, constraint=on, before=_values(touched), at=now
    )
    if moving is not None:
        _remember(act, moving)
    return act


def finish(act: Act | None, touched: Iterable[Constraint]) -> None:
    """Remember what came of it. Nothing of the act changes any more."""
    if act is not None:
        act.after = _values(touched)
        act.save(update_fields=["after"])


def last(*, campaign: Campaign, by: User) -> Act | None:
    """Return what the person's undo would take back."""
    done = Act.objects.filter(campaign=campaign, actor=by, undone_by=None).exclude(verb=UNDO)
    return done.select_related("constraint").order_by("-id").first()


def said(act: Act) -> str:
    """Name the act: `merging into “No invented dates”`."""
    return f"{SAYS[act.verb]} “{act.constraint.statement}”"


@transaction.atomic
def undo(*, campaign: Campaign, by: User, now: datetime, act_id: int | None = None) -> Act:
    """Take back the person's last act that is not taken back yet. Locks the constraints it touched, by id.

    `act_id`: the act the person meant; another one is not taken back in its place. Raises NothingToUndo, CannotUndo.
    """
    act = last(campaign=campaign, by=by)
    if act is None or act_id not in (None, act.pk):
        raise NothingToUndo("This is taken back already, or you did something else since. Reload the page to see.")
    locked = _locked(act)
    _check(act, locked)
    undone = Act.objects.create(
        campaign=campaign, actor=by, verb=UNDO, constraint=act.constraint, before=_values(locked), undoes=act, at=now
    )
    _restore(act, locked, now)
    finish(undone, locked)
    subject, detail = f"constraint {act.constraint_id}", {"verb": act.verb, "act": act.pk}
    account_actions.record(actor=by, verb="constraint undo", subject=subject, now=now, detail=detail)
    return act


def recount(ids: Iterable[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE constraints_constraint c SET member_count = "
            "(SELECT count(*) FROM constraints_member m WHERE m.constraint_id = c.id) WHERE c.id = ANY(%s)",
            [sorted(ids)],
        )


def _values(constraints: Iterable[Constraint]) -> Values:
    rows = Constraint.objects.filter(pk__in=[each.pk for each in constraints]).order_by("id").values("id", *FIELDS)
    return {str(row.pop("id")): row for row in rows}


def _remember(act: Act, moving: QuerySet[Member]) -> None:
    rows = moving.order_by("id").values_list("violation_id", "constraint_id", "is_pinned")
    chunk: list[ActMember] = []
    for violation, constraint, is_pinned in rows.iterator(chunk_size=5000):
        chunk.append(ActMember(act=act, violation_id=violation, constraint_id=constraint, is_pinned=is_pinned))
        if len(chunk) == 5000:
            ActMember.objects.bulk_create(chunk)
            chunk = []
    ActMember.objects.bulk_create(chunk)


def _locked(act: Act) -> list[Constraint]:
    ids = {int(key) for key in [*act.before, *(act.after or {}), str(act.constraint_id)]}
    return list(Constraint.objects.select_for_update().filter(pk__in=ids).order_by("id"))


def _check(act: Act, locked: Sequence[Constraint]) -> None:
    """Raise CannotUndo where a person changed since what the act had made of things."""
    after: Mapping[str, Mapping[str, Any]] = act.after or {}
    for each in locked:
        if any(getattr(each, name) != value for name, value in _persons(act, each, after[str(each.pk)])):
            raise CannotUndo(f"“{each.statement}” was changed since {said(act)}; change it as it should be by hand.")
    strayed = Member.objects.filter(violation__in=act.members.values("violation")).exclude(constraint=act.constraint_id)
    if count := strayed.count():
        raise CannotUndo(
            f"{count} of the members that went to “{act.constraint.statement}” were moved on since. "
            "Move what should be elsewhere by hand."
        )
    if _is_made(act, act.constraint) and _has_guests(act):
        raise CannotUndo(f"Other members were put into “{act.constraint.statement}” since. Merge it by hand.")


def _persons(act: Act, constraint: Constraint, after: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return what the act changed and only people change again: not a medoid, not a statement that is drafted."""
    before = act.before.get(str(constraint.pk))
    for name, value in after.items():
        is_swept = name == "medoid_id" or (name == "statement" and after["named_by_id"] is None)
        if not is_swept and (before is None or before[name] != value):
            yield name, value


def _is_made(act: Act, constraint: Constraint) -> bool:
    return str(constraint.pk) not in act.before


def _has_guests(act: Act) -> bool:
    others = Member.objects.filter(constraint=act.constraint_id, is_pinned=True)
    merged = Constraint.objects.filter(merged_into=act.constraint_id)
    return merged.exists() or others.exclude(violation__in=act.members.values("violation")).exists()


def _restore(act: Act, locked: Sequence[Constraint], now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MOVE_BACK, [act.pk])
    # What takes the rest of a tag is one at a time: the survivor stops before the merged one begins again.
    for each in sorted(locked, key=lambda each: bool(act.before.get(str(each.pk), {}).get("is_residual"))):
        if _is_made(act, each):
            _unmake(act, each)
        else:
            _put_back(each, act.before[str(each.pk)], (act.after or {})[str(each.pk)])
        each.updated_at = now
        each.save()
    recount(each.pk for each in locked)


_MOVE_BACK = """
UPDATE constraints_member m SET constraint_id = a.constraint_id, is_pinned = a.is_pinned
FROM constraints_actmember a WHERE a.act_id = %s AND m.violation_id = a.violation_id
"""


def _put_back(constraint: Constraint, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for name, value in before.items():
        is_lost = name == "medoid_id" and value and not Violation.objects.filter(pk=value).exists()
        if value != after[name] and not is_lost:
            setattr(constraint, name, value)


def _unmake(act: Act, made: Constraint) -> None:
    """Retire what a split had made; what joined it since goes along. A set that has it can say where that is now."""
    source_id = next(int(key) for key in act.before)
    Member.objects.filter(constraint=made).update(constraint=source_id)
    made.state = Constraint.State.RETIRED
    made.merged_into_id = source_id if SetEntry.objects.filter(constraint=made).exists() else None
