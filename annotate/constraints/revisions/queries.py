"""Revisions as they are stored: compared, and mapped onto later ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, F, QuerySet

from annotate.campaigns.models import Campaign
from annotate.constraints import queries
from annotate.constraints.checks.models import CheckVersion
from annotate.constraints.models import Constraint, ConstraintSet, SetEntry
from annotate.constraints.revisions import changes as revisions
from annotate.errors import NotFound, RuleError
from annotate.judgments.models import Violation


class NotLater(RuleError):
    """Revisions map onto later ones: what was merged cannot be told apart again."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """An entry of one revision and what it is in a later one; None when that has nothing of it."""

    entry: SetEntry
    later: SetEntry | None


def diff(*, before: ConstraintSet | None, after: ConstraintSet) -> revisions.Diff:
    """Compare two approved sets of a campaign; with `before` None, everything is added."""
    return revisions.diff(
        before=[] if before is None else _entries(before),
        after=_entries(after),
        merges=_merges(after),
        shared={} if before is None else _shared(_BOTH_FROZEN, before=before.pk, after=after.pk),
    )


def diff_now(*, campaign: Campaign) -> revisions.Diff:
    """Compare what approving now would freeze with the last approved set."""
    last = queries.latest_set(campaign=campaign)
    accepted = list(Constraint.objects.filter(campaign=campaign, state=Constraint.State.ACCEPTED).order_by("id"))
    sizes, checks = _sizes_now([each.pk for each in accepted]), queries.check_versions(campaign=campaign)
    return revisions.diff(
        before=[] if last is None else _entries(last),
        after=[
            revisions.Entry(
                each.pk, each.statement, each.tag_slug, each.kind, sizes.get(each.pk, 0), _number(checks.get(each.pk))
            )
            for each in accepted
        ],
        merges=merges_now(campaign=campaign),
        shared={} if last is None else _shared(_ONE_FROZEN, before=last.pk, after=[each.pk for each in accepted]),
    )


def merges_now(*, campaign: Campaign) -> dict[int, int]:
    """Return where each merged constraint of the campaign went, one step."""
    rows = Constraint.objects.filter(campaign=campaign, merged_into__isnull=False)
    return dict(rows.order_by("id").values_list("id", "merged_into_id"))


def closed_merges(*, campaign: Campaign, present: Iterable[int]) -> dict[str, int]:
    """Return what a set of the constraints `present` keeps: where those of earlier sets went that are not in it."""
    frozen = SetEntry.objects.filter(constraint_set__campaign=campaign).order_by("constraint_id")
    known = frozen.values_list("constraint_id", flat=True).distinct()
    closed = revisions.closed(of=known, present=set(present), merges=merges_now(campaign=campaign))
    return {str(key): into for key, into in closed.items()}


def mapping(*, before: ConstraintSet, after: ConstraintSet) -> list[Mapped]:
    """Return each entry of `before`, by id, and what it is in `after`. Raises NotLater."""
    _require_later(before, after)
    entries = list(before.entries.order_by("id"))
    later = {each.constraint_id: each for each in after.entries.all()}
    went = revisions.successors(of=[each.constraint_id for each in entries], present=later, merges=_merges(after))
    return [Mapped(each, None if (key := went[each.constraint_id]) is None else later[key]) for each in entries]


def frozen_violations(*, constraint_set: ConstraintSet) -> QuerySet[Violation]:
    """Return the violations that a set froze; a violation is in one entry of a set at most."""
    return Violation.objects.filter(set_entries__constraint_set=constraint_set)


def project(*, before: ConstraintSet, after: ConstraintSet, violation_ids: Sequence[int]) -> dict[int, SetEntry | None]:
    """Map violations that `before` froze to the entry each has in `after`; others are left out. Raises NotLater.

    Where `after` froze the violation itself, in that entry, wherever a split or move took it; else (its judgment was
    given anew since) in what its entry became.
    """
    became = {each.entry.pk: each.later for each in mapping(before=before, after=after)}
    frozen = {each.pk: each for each in after.entries.all()}
    itself = _entry_of(after, violation_ids)
    return {
        violation: frozen[itself[violation]] if violation in itself else became[entry]
        for violation, entry in _entry_of(before, violation_ids).items()
    }


def constraint_set(*, campaign: Campaign, revision: str | int) -> ConstraintSet:
    """Return a revision named in an address. Raises NotFound for what is no number or no revision."""
    text = str(revision)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotFound("Name a revision by its number.")
    return queries.constraint_set(campaign=campaign, revision=int(text))


def _require_later(before: ConstraintSet, after: ConstraintSet) -> None:
    if before.campaign_id != after.campaign_id or after.revision < before.revision:
        raise NotLater(
            f"Constraint set {after.revision} is older than {before.revision}; sets map onto later ones only."
        )


def _entries(constraint_set: ConstraintSet) -> list[revisions.Entry]:
    rows = constraint_set.entries.annotate(members=Count("violations"), check_number=F("check_version__number"))
    return [revisions.Entry(e.constraint_id, e.statement, e.tag_slug, e.kind, e.members, e.check_number) for e in rows]


def _number(version: CheckVersion | None) -> int | None:
    return None if version is None else version.number


def _merges(constraint_set: ConstraintSet) -> Mapping[int, int]:
    return {int(key): into for key, into in constraint_set.merges.items()}


def _entry_of(constraint_set: ConstraintSet, violation_ids: Sequence[int]) -> dict[int, int]:
    through = SetEntry.violations.through.objects.filter(
        setentry__constraint_set=constraint_set, violation__in=list(violation_ids)
    )
    return dict(through.order_by("violation_id").values_list("violation_id", "setentry_id"))


def _sizes_now(constraint_ids: list[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [constraint_ids])
        return dict(cursor.fetchall())


def _shared(statement: str, **values: int | list[int]) -> dict[tuple[int, int], int]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return {(before, after): count for before, after, count in cursor.fetchall()}


_SIZES = """
SELECT m.constraint_id, count(*) FROM constraints_member m
JOIN judgments_violation v ON v.id = m.violation_id
JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
WHERE m.constraint_id = ANY(%s) GROUP BY 1
"""

_BOTH_FROZEN = """
SELECT b.constraint_id, a.constraint_id, count(*)
FROM constraints_setentry b JOIN constraints_setentry_violations bv ON bv.setentry_id = b.id
JOIN constraints_setentry_violations av ON av.violation_id = bv.violation_id
JOIN constraints_setentry a ON a.id = av.setentry_id AND a.constraint_set_id = %(after)s
WHERE b.constraint_set_id = %(before)s GROUP BY 1, 2
"""

_ONE_FROZEN = """
SELECT b.constraint_id, m.constraint_id, count(*)
FROM constraints_setentry b JOIN constraints_setentry_violations bv ON bv.setentry_id = b.id
JOIN constraints_member m ON m.violation_id = bv.violation_id AND m.constraint_id = ANY(%(after)s)
JOIN judgments_violation v ON v.id = m.violation_id
JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
WHERE b.constraint_set_id = %(before)s GROUP BY 1, 2
"""
