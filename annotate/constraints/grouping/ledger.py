"""A tag's constraints as they stand: who lives, where merged ones went, what a person has settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Q

from annotate.constraints.models import Constraint


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The constraints of a tag, and those of other tags that some of them were merged into."""

    campaign_id: int
    slug: str
    by_id: dict[int, Constraint]
    merged: frozenset[int]
    """Those into which another one was merged."""
    pinned: frozenset[int]
    """Those into which a person put something."""

    def living(self, constraint_id: int) -> Constraint | None:
        """Follow merges from a constraint to the living one that has its members now."""
        each = self.by_id.get(constraint_id)
        while each is not None and each.merged_into_id is not None:
            each = self.by_id.get(each.merged_into_id)
        return None if each is None or each.state == Constraint.State.RETIRED else each

    def of_tag(self) -> list[Constraint]:
        return [each for _, each in sorted(self.by_id.items()) if each.tag_slug == self.slug]

    def residual(self) -> Constraint | None:
        """Return what takes the left-overs of the tag: its residual, or what that was merged into."""
        found = [self.living(each.pk) for each in self.of_tag() if each.is_residual]
        return next((each for each in reversed(found) if each is not None), None)

    def particular(self) -> list[Constraint]:
        """Return the tag's own constraints that live, without its residual."""
        return [each for each in self.of_tag() if each.state != Constraint.State.RETIRED and not each.is_residual]

    def is_untouched(self, constraint_id: int) -> bool:
        """Whether nobody accepted, dismissed, named or merged it."""
        each = self.by_id.get(constraint_id)
        return (
            each is not None
            and each.state == Constraint.State.CANDIDATE
            and each.named_by_id is None
            and constraint_id not in self.merged
        )

    def may_leave(self, constraint_id: int) -> bool:
        """Whether a sweep may take members out of it. A residual is open though a person put something into it."""
        each = self.by_id.get(constraint_id)
        return (
            each is not None
            and self.is_untouched(constraint_id)
            and (each.is_residual or constraint_id not in self.pinned)
        )


def read(*, campaign_id: int, slug: str) -> Ledger:
    """Read without a lock. Three statements, and one for each step that a merge goes beyond the tag."""
    rows = Constraint.objects.filter(campaign=campaign_id)
    found = {each.pk: each for each in rows.filter(_counts, tag_slug=slug)}
    while beyond := {each.merged_into_id for each in found.values() if each.merged_into_id is not None} - found.keys():
        found |= {each.pk: each for each in rows.filter(pk__in=beyond)}
    merged = Constraint.objects.filter(merged_into__in=found).values_list("merged_into_id", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(_PINNED, [sorted(found)])
        pinned = frozenset(id_ for (id_,) in cursor.fetchall())
    return Ledger(campaign_id=campaign_id, slug=slug, by_id=found, merged=frozenset(merged), pinned=pinned)


_PINNED = """
SELECT c FROM unnest(%s::bigint[]) c
CROSS JOIN LATERAL (SELECT FROM constraints_member m WHERE m.constraint_id = c AND m.is_pinned LIMIT 1) one
"""


def locked(*, campaign_id: int, slug: str, needs: Callable[[Ledger], set[int]]) -> Ledger:
    """Lock the constraints that `needs` names until the transaction ends, and return the ledger as it stands then.

    All are locked in one statement, by id, as people's acts do it, so the two never wait for each other in a circle.
    Where an act came between and more are needed, those locked are let go and all are locked anew.
    """
    wanted = needs(read(campaign_id=campaign_id, slug=slug))
    while True:
        point = transaction.savepoint()
        lock(wanted)
        found = read(campaign_id=campaign_id, slug=slug)
        missing = needs(found) - wanted
        if not missing:
            transaction.savepoint_commit(point)
            return found
        transaction.savepoint_rollback(point)
        wanted |= missing


def lock(ids: Iterable[int]) -> None:
    """Lock constraints by id until the transaction ends. Inside a transaction."""
    rows = Constraint.objects.select_for_update(no_key=True).filter(pk__in=sorted(ids)).order_by("id")
    list(rows.values_list("id", flat=True))


_counts = ~Q(state=Constraint.State.RETIRED) | Q(merged_into__isnull=False)
"""Not what was emptied: nothing goes there any more."""
