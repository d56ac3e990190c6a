"""Place one portion of a shard's list: computed without a lock, then stored with the constraints it touches locked.

So people wait for the storing of a portion, never for its computing. What they did meanwhile stands: a merge is
followed, what they touched or moved is left where it is, and what has no place any more goes to the tag's residual.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from annotate.campaigns.models import Tag
from annotate.constraints.grouping import clustering, embedder, embedding, ledger, lists, reading, statements
from annotate.constraints.grouping.ledger import Ledger
from annotate.constraints.grouping.models import Shard
from annotate.constraints.models import Constraint

Places = dict[int, tuple[int, float]]
"""Violation id to the constraint it goes to and its similarity."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where a portion's violations should go, and what tells the groups that they were compared with.

    `listed` are those of the list; `sources` says where violations are now that would leave another constraint.
    """

    found: clustering.Grouped
    texts: Mapping[int, embedding.Text]
    listed: frozenset[int]
    sources: Mapping[int, int]
    told: reading.Told


def plan(*, shard: Shard, upto: int) -> Plan:
    """Compute the next portion, up to a place of the list. Reads, without a lock; founds groups in the first one."""
    regrouping = shard.regrouping
    book = ledger.read(campaign_id=regrouping.campaign_id, slug=shard.tag_slug)
    rows = lists.portion(shard_id=shard.pk, after=shard.placed_count, upto=upto)
    rows = [each for each in rows if each.constraint_id is None or book.may_leave(each.constraint_id)]
    items = [each.item for each in rows]
    sources = {each.item.id: each.constraint_id for each in rows if each.constraint_id is not None}
    apart = lists.taken_apart(shard_id=shard.pk) if shard.anchors is None else set()
    told = _told(shard, book, apart)
    again = _looked_at_again(shard, book, apart)
    least, most = _sizes(shard, book, apart, len(items))
    with embedder.configured() as embed:
        found = clustering.group(
            items=[*items, *again],
            anchors=reading.anchors(book, told),
            background=reading.background(campaign_id=regrouping.campaign_id, slug=shard.tag_slug),
            least=least,
            most=most,
            tuning=clustering.Tuning(embed=embed),
        )
    residual = book.residual()
    sources |= {item.id: residual.pk for item in again} if residual is not None else {}
    texts = {item.id: item.text for item in [*items, *again]}
    medoids = {group.medoid: texts[group.medoid] for group in found.groups}
    listed = frozenset(item.id for item in items)
    return Plan(found=found, texts=medoids, listed=listed, sources=sources, told=told)


def _told(shard: Shard, book: Ledger, apart: set[int]) -> reading.Told:
    if shard.anchors is not None:
        return [(key, ids) for key, ids in shard.anchors]
    return reading.told(book, without={id_ for id_ in apart if book.may_leave(id_)})


def _looked_at_again(shard: Shard, book: Ledger, apart: set[int]) -> list[clustering.Item]:
    """Return what was left over before, when groups are founded and it is not on the list anyway."""
    residual = book.residual()
    if shard.anchors is not None or residual is None or residual.pk in apart:
        return []
    return reading.left_over(book)


def _sizes(shard: Shard, book: Ledger, apart: set[int], count: int) -> tuple[int, int]:
    """Return how many members a new group needs in this portion, and how many new ones there may be."""
    if shard.anchors is not None:
        return 1, 0
    inside = sum(each.member_count for each in book.of_tag() if each.pk not in apart)
    least = clustering.smallest(inside + shard.total_count) * count / max(1, shard.total_count)
    standing = [each for each in book.particular() if each.pk not in apart or not book.may_leave(each.pk)]
    return max(clustering.smallest(0), math.ceil(least)), clustering.MOST_GROUPS - len(standing)


def store(*, shard: Shard, planned: Plan, now: datetime) -> int:
    """Store a plan and return how many constraints it made. Sets the shard's `anchors`; inside a transaction.

    Locks the constraints that members go to or leave, by id.
    """
    regrouping = shard.regrouping
    book = ledger.locked(
        campaign_id=regrouping.campaign_id, slug=shard.tag_slug, needs=lambda each: _touched(each, planned)
    )
    tag = reading.latest_tag(campaign_id=regrouping.campaign_id, slug=shard.tag_slug)
    writer = Writer(book=book, tag=tag, planned=planned, now=now)
    places = writer.places()
    writer.put(places)
    if shard.anchors is None:
        shard.anchors = [*planned.told, *writer.founded]
    return writer.made_count


def _touched(book: Ledger, planned: Plan) -> set[int]:
    towards = {key for key, _ in planned.found.joined.values()}
    living = [book.residual(), *map(book.living, towards)]
    leaving = {id_ for id_ in planned.sources.values() if book.may_leave(id_)}
    return leaving | {each.pk for each in living if each is not None}


class Writer:
    """Stores one plan while the ledger is locked."""

    def __init__(self, *, book: Ledger, tag: Tag, planned: Plan, now: datetime) -> None:
        self.book, self.tag, self.planned, self.now = book, tag, planned, now
        self.made_count = 0
        self.founded: reading.Told = []
        self._reused: set[int] = set()
        self._old = self._still_there()

    def places(self) -> Places:
        """Return where violations go now; make the constraints that are missing."""
        found, places = self.planned.found, {}
        homeless = set(found.rest) & self.planned.listed
        for id_, (key, similarity) in found.joined.items():
            living = self.book.living(key)
            if living is None:
                homeless.add(id_)
            else:
                places[id_] = (living.pk, similarity)
        for group in found.groups:
            pk = self._of_group(group).pk
            self.founded.append((pk, _nearest(group)))
            places |= {id_: (pk, similarity) for id_, similarity in group.members.items()}
        homeless = {id_ for id_ in homeless if self._is_free(id_)}
        if homeless:
            places |= dict.fromkeys(homeless, (self._residual().pk, 0.0))
        return {id_: place for id_, place in places.items() if self._is_free(id_)}

    def put(self, places: Places) -> None:
        """Store the members that change, and the differences to the constraints' counts."""
        changed = {id_: place for id_, place in places.items() if self._old.get(id_) != place}
        leaving = sorted(changed.keys() & self._old.keys())
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM constraints_member WHERE violation_id = ANY(%s)", [leaving])
            with connection.wrap_database_errors, cursor.copy(_COPY) as copy:
                for id_, (constraint_id, similarity) in sorted(changed.items()):
                    copy.write_row((constraint_id, id_, similarity, False))
        differences = Counter(constraint_id for constraint_id, _ in changed.values())
        differences.subtract(Counter(self._old[id_][0] for id_ in leaving))
        count_members(differences, now=self.now)

    def _still_there(self) -> Places:
        """Return what of the sources' members may leave: nobody moved or pinned it, or touched its constraint."""
        with connection.cursor() as cursor:
            cursor.execute(_UNPINNED, [sorted(self.planned.sources)])
            return {
                id_: (constraint_id, similarity)
                for id_, constraint_id, similarity in cursor.fetchall()
                if constraint_id == self.planned.sources[id_] and self.book.may_leave(constraint_id)
            }

    def _is_free(self, violation_id: int) -> bool:
        return violation_id in self._old or violation_id not in self.planned.sources

    def _of_group(self, group: clustering.Group) -> Constraint:
        """Make a candidate for a new group, or give it the candidate taken apart that most of its members were in."""
        text = self.planned.texts[group.medoid]
        statement = statements.draft(tag=self.tag.name, description=self.tag.description, text=text)
        kept = self._reusable(group)
        if kept is None:
            return self._created(statement=statement, medoid_id=group.medoid)
        self._reused.add(kept.pk)
        kept.medoid_id, kept.statement, kept.updated_at = group.medoid, statement, self.now
        kept.save(update_fields=["medoid", "statement", "updated_at"])
        return kept

    def _reusable(self, group: clustering.Group) -> Constraint | None:
        votes = Counter(self._old[id_][0] for id_ in group.members if id_ in self._old)
        able = [pk for pk in votes if pk not in self._reused and not self.book.by_id[pk].is_residual]
        return self.book.by_id[min(able, key=lambda pk: (-votes[pk], pk))] if able else None

    def _residual(self) -> Constraint:
        return self.book.residual() or self._created(statement=statements.whole_tag(tag=self.tag.name), residual=True)

    def _created(self, *, statement: str, medoid_id: int | None = None, residual: bool = False) -> Constraint:
        self.made_count += 1
        made: Constraint = Constraint.objects.create(
            campaign_id=self.book.campaign_id,
            tag_slug=self.tag.slug,
            kind=self.tag.kind,
            statement=statement,
            medoid_id=medoid_id,
            is_residual=residual,
            created_at=self.now,
            updated_at=self.now,
        )
        return made


def _nearest(group: clustering.Group) -> list[int]:
    order = sorted(group.members, key=lambda id_: (-group.members[id_], id_))
    return sorted({group.medoid, *order[: clustering.EXEMPLARS]})


_UNPINNED = """
SELECT violation_id, constraint_id, similarity FROM constraints_member
WHERE violation_id = ANY(%s) AND NOT is_pinned
"""
_COPY = "COPY constraints_member (constraint_id, violation_id, similarity, is_pinned) FROM STDIN"


def count_members(differences: Mapping[int, int], *, now: datetime) -> None:
    """Add to the counts of constraints that are locked."""
    changes = sorted((id_, by) for id_, by in differences.items() if by)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"ids": [i for i, _ in changes], "by": [by for _, by in changes], "now": now})


_COUNT = """
UPDATE constraints_constraint c SET member_count = c.member_count + d.by, updated_at = %(now)s
FROM unnest(%(ids)s::bigint[], %(by)s::bigint[]) d(id, by) WHERE c.id = d.id
"""


def settle(*, shard: Shard, now: datetime) -> None:
    """Retire the tag's candidates that nobody named and that have no members, and name its residual. Locks them."""
    campaign_id = shard.regrouping.campaign_id
    book = ledger.locked(campaign_id=campaign_id, slug=shard.tag_slug, needs=_ending)
    retire_emptied(_ending(book), now=now)
    _name_residual(ledger.read(campaign_id=campaign_id, slug=shard.tag_slug), now)


def _ending(book: Ledger) -> set[int]:
    return {
        each.pk
        for each in book.of_tag()
        if each.state == Constraint.State.CANDIDATE and (each.member_count == 0 or each.is_residual)
    }


def retire_emptied(ids: Iterable[int], *, now: datetime) -> None:
    """Retire those of the locked constraints that are candidates, have no members, and were named by nobody."""
    emptied = Constraint.objects.filter(
        pk__in=sorted(ids), state=Constraint.State.CANDIDATE, named_by=None, member_count=0
    )
    emptied.update(state=Constraint.State.RETIRED, updated_at=now)


def _name_residual(book: Ledger, now: datetime) -> None:
    """Call it after the whole tag while it stands alone, and "other cases" beside particular groups."""
    residual = next(
        (each for each in book.of_tag() if each.is_residual and each.state != Constraint.State.RETIRED), None
    )
    if residual is None or not book.is_untouched(residual.pk):
        return
    tag = reading.latest_tag(campaign_id=book.campaign_id, slug=book.slug)
    whole = statements.whole_tag(tag=tag.name, description=tag.description)
    name = statements.other(tag=tag.name) if book.particular() else whole
    if residual.statement != name:
        residual.statement, residual.updated_at = name, now
        residual.save(update_fields=["statement", "updated_at"])
