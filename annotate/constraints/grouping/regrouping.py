"""Bring one campaign's constraints up to date with its current judgments. Called inside actions.regroup's transaction.

One tag at a time: its unplaced violations, and the last ones left over earlier, join the nearest living constraint,
form new candidates, or are left in the tag's residual constraint. What a person pinned or named stays as it is.

Violations on gold are left out: a planted error says nothing of what the models do.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.db import connection
from django.db.models import CharField, QuerySet
from django.db.models.functions import MD5, Cast, Left

from annotate.campaigns.models import Tag
from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import embedding, statements
from annotate.constraints.models import Constraint, Member
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Violation

WINDOW = 1000
"""How many of a tag's latest left-over violations are looked at again, and how many tell which words are common."""
PORTION = 20_000
"""How many violations of a tag are read and placed at a time."""


@dataclass(kw_only=True)
class Ledger:
    """A campaign's constraints while it is regrouped: who lives, and where merged ones went."""

    campaign_id: int
    now: datetime
    by_id: dict[int, Constraint] = field(default_factory=dict)
    released: dict[int, int] = field(default_factory=dict)
    """violation id -> the constraint it was taken from, when everything unsettled is grouped anew"""
    reused: set[int] = field(default_factory=set)
    new_count: int = 0
    assigned_count: int = 0

    def living(self, constraint_id: int) -> Constraint | None:
        """Follow merges from a constraint to the living one that has its members now."""
        each: Constraint | None = self.by_id.get(constraint_id)
        while each is not None and each.merged_into_id is not None:
            each = self.by_id.get(each.merged_into_id)
        return None if each is None or each.state == Constraint.State.RETIRED else each

    def of_tag(self, slug: str) -> list[Constraint]:
        return [each for _, each in sorted(self.by_id.items()) if each.tag_slug == slug]

    def residual(self, slug: str) -> Constraint | None:
        """Return what takes the left-overs of a tag: its residual, or what that was merged into."""
        found = [self.living(each.pk) for each in self.of_tag(slug) if each.is_residual]
        return next((each for each in reversed(found) if each is not None), None)

    def is_untouched(self, constraint: Constraint) -> bool:
        """Whether nobody accepted, dismissed, named or merged it."""
        return (
            constraint.state == Constraint.State.CANDIDATE
            and constraint.named_by_id is None
            and all(each.merged_into_id != constraint.pk for each in self.by_id.values())
        )


def open_ledger(*, campaign_id: int, now: datetime) -> Ledger:
    """Lock the campaign's constraints, in the order of their ids, until the transaction ends."""
    rows = Constraint.objects.select_for_update().filter(campaign=campaign_id).order_by("id")
    return Ledger(campaign_id=campaign_id, now=now, by_id={each.pk: each for each in rows})


def drop_superseded(ledger: Ledger) -> None:
    """Take out the violations of judgments that a later revision replaced, or that were withdrawn."""
    Member.objects.filter(constraint__campaign=ledger.campaign_id, violation__judgment__is_current=False).delete()


def release_unsettled(ledger: Ledger) -> None:
    """Take apart every candidate that no person has touched, remembering what was where."""
    unsettled = Constraint.objects.unsettled().filter(campaign=ledger.campaign_id)
    loose = Member.objects.filter(constraint__in=list(unsettled.values_list("id", flat=True)))
    ledger.released = dict(loose.values_list("violation_id", "constraint_id"))
    for each in set(ledger.released.values()):
        # Not an anchor any more: its members find their groups without it.
        ledger.by_id[each].medoid_id = None
    loose.delete()


def group_tag(ledger: Ledger, slug: str) -> None:
    """Place every unplaced current violation of one tag, PORTION at a time.

    New groups are looked for in the first portion, which is drawn by a hash of the ids when there are more; the other
    portions join what then lives, so no more than PORTION texts are in memory whatever the tag holds.
    """
    current = _current(ledger, slug)
    waiting = current.filter(constraint_member__isnull=True)
    count = waiting.count()
    first = read_items(waiting if count <= PORTION else waiting.filter(pk__in=_drawn(waiting)))
    least = max(grouping.smallest(0), math.ceil(grouping.smallest(current.count()) * len(first) / max(1, count)))
    most = grouping.MOST_GROUPS - sum(not each.is_residual for each in _living(ledger, slug))
    tag = latest_tag(campaign_id=ledger.campaign_id, slug=slug)
    _group_items(ledger, tag, first, _left_over(ledger, slug), least=least, most=most)
    while count > PORTION and (ids := list(waiting.order_by("pk").values_list("pk", flat=True)[:PORTION])):
        _group_items(ledger, tag, read_items(waiting.filter(pk__in=ids)), [], least=1, most=0)
    _name_residual(ledger, tag)


def _drawn(waiting: QuerySet[Violation]) -> list[int]:
    hashed = waiting.annotate(drawn=MD5(Cast("pk", CharField()))).order_by("drawn")
    return list(hashed.values_list("pk", flat=True)[:PORTION])


def _group_items(
    ledger: Ledger,
    tag: Tag,
    unplaced: Sequence[grouping.Item],
    left_over: Sequence[grouping.Item],
    *,
    least: int,
    most: int,
) -> None:
    items = [*unplaced, *left_over]
    anchors = _anchors(ledger, tag.slug)
    background = [item.text for item in read_items(_current(ledger, tag.slug), latest=WINDOW)]
    found = grouping.group(items=items, anchors=anchors, background=background, least=least, most=most)
    places = dict(found.joined)
    for group, text in _with_texts(found.groups, items):
        made = _candidate(ledger, tag, group, text)
        places |= {id_: (made.pk, similarity) for id_, similarity in group.members.items()}
    rest = set(found.rest) & {item.id for item in unplaced}
    if rest:
        residual = _residual(ledger, tag)
        places |= dict.fromkeys(rest, (residual.pk, 0.0))
    _place(places, moved=[item.id for item in left_over if item.id in places])
    ledger.assigned_count += len(unplaced)


def close_ledger(ledger: Ledger) -> None:
    """Count the members anew and retire candidates that nobody named and that have none."""
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, {"campaign": ledger.campaign_id, "now": ledger.now})
    emptied = Constraint.objects.filter(
        campaign=ledger.campaign_id, state=Constraint.State.CANDIDATE, named_by=None, member_count=0
    )
    emptied.update(state=Constraint.State.RETIRED, updated_at=ledger.now)


_RECOUNT = """
UPDATE constraints_constraint c SET member_count = n.members, updated_at = %(now)s
FROM (SELECT c.id, count(m.id) AS members FROM constraints_constraint c
      LEFT JOIN constraints_member m ON m.constraint_id = c.id WHERE c.campaign_id = %(campaign)s GROUP BY c.id) n
WHERE c.id = n.id AND c.member_count <> n.members
"""


def unplaced_slugs(ledger: Ledger) -> list[str]:
    """Return the tags that have a current violation in no constraint."""
    rows = _grouped(ledger).filter(constraint_member__isnull=True)
    return list(rows.order_by("tag__slug").values_list("tag__slug", flat=True).distinct())


def read_items(violations: QuerySet[Violation], *, latest: int | None = None) -> list[grouping.Item]:
    """Return violations as the pure half sees them, by id; of the `latest` only.

    Only as much of each text is read as is compared: a critique of 10 MB costs what one of 400 characters does.
    """
    rows = violations.order_by("id") if latest is None else violations.order_by("-id")[:latest]
    longest = embedding.LONGEST
    values = rows.values_list("id", Left("critique", longest), Left("quote", longest), Left("correction", longest))
    return [grouping.Item(id_, embedding.Text(*parts)) for id_, *parts in values.iterator(chunk_size=5000)]


def latest_tag(*, campaign_id: int, slug: str) -> Tag:
    """Return the tag as the newest tag set that has it names it."""
    return Tag.objects.filter(tag_set__campaign=campaign_id, slug=slug).order_by("-tag_set__version")[0]


def _current(ledger: Ledger, slug: str) -> QuerySet[Violation]:
    return _grouped(ledger).filter(tag__slug=slug).order_by()


def _grouped(ledger: Ledger) -> QuerySet[Violation]:
    """Return the violations that constraints are made of."""
    current = Violation.objects.filter(judgment__campaign=ledger.campaign_id, judgment__is_current=True)
    return current.exclude(judgment__output__in=intake_queries.gold(campaign_id=ledger.campaign_id).values("pk"))


def _left_over(ledger: Ledger, slug: str) -> list[grouping.Item]:
    """Return the latest violations of a tag's residual candidate, unless a person accepted, named or merged it."""
    residual = ledger.residual(slug)
    if residual is None or not ledger.is_untouched(residual):
        return []
    loose = Violation.objects.filter(
        constraint_member__constraint=residual, constraint_member__is_pinned=False, tag__slug=slug
    )
    return read_items(loose, latest=WINDOW)


def _anchors(ledger: Ledger, slug: str) -> list[grouping.Anchor]:
    """Return what tells the tag's constraints: the medoid and the nearest members that no person put there, each
    list standing for the living constraint that theirs is or was merged into."""
    keys = {
        each.pk: survivor.pk
        for each in ledger.of_tag(slug)
        if each.medoid_id is not None and not each.is_residual and (survivor := ledger.living(each.pk)) is not None
    }
    longest = embedding.LONGEST
    with connection.cursor() as cursor:
        cursor.execute(_EXEMPLARS, {"ids": sorted(keys), "most": grouping.EXEMPLARS, "longest": longest})
        texts: dict[int, list[embedding.Text]] = {}
        for constraint_id, *parts in cursor.fetchall():
            texts.setdefault(constraint_id, []).append(embedding.Text(*parts))
    return [grouping.Anchor(key=keys[pk], texts=told) for pk, told in texts.items()]


_EXEMPLARS = """
SELECT c.id, left(v.critique, %(longest)s), left(v.quote, %(longest)s), left(v.correction, %(longest)s)
FROM constraints_constraint c
CROSS JOIN LATERAL (
    SELECT c.medoid_id AS id
    UNION
    (SELECT m.violation_id FROM constraints_member m WHERE m.constraint_id = c.id AND NOT m.is_pinned
     ORDER BY m.similarity DESC, m.id LIMIT %(most)s)) told
JOIN judgments_violation v ON v.id = told.id
WHERE c.id = ANY(%(ids)s) ORDER BY c.id, v.id
"""


def _living(ledger: Ledger, slug: str) -> list[Constraint]:
    """Return the tag's constraints that count: alive, and not just taken apart."""
    released = set(ledger.released.values()) - ledger.reused
    return [
        each
        for each in ledger.of_tag(slug)
        if each.state != Constraint.State.RETIRED and (each.is_residual or each.pk not in released)
    ]


def _with_texts(
    groups: Sequence[grouping.Group], items: Sequence[grouping.Item]
) -> Iterator[tuple[grouping.Group, embedding.Text]]:
    texts = {item.id: item.text for item in items}
    for group in groups:
        yield group, texts[group.medoid]


def _candidate(ledger: Ledger, tag: Tag, group: grouping.Group, text: embedding.Text) -> Constraint:
    """Make a candidate for a new group, or give the group to the released candidate most of its members were in."""
    statement = statements.draft(tag=tag.name, description=tag.description, text=text)
    kept = _released_for(ledger, group)
    if kept is not None:
        ledger.reused.add(kept.pk)
        kept.medoid_id, kept.statement, kept.updated_at = group.medoid, statement, ledger.now
        kept.save(update_fields=["medoid", "statement", "updated_at"])
        return kept
    ledger.new_count += 1
    return _created(ledger, tag, statement=statement, medoid_id=group.medoid)


def _released_for(ledger: Ledger, group: grouping.Group) -> Constraint | None:
    votes = Counter(ledger.released[id_] for id_ in group.members if id_ in ledger.released)
    able = [pk for pk in votes if pk not in ledger.reused and not ledger.by_id[pk].is_residual]
    return ledger.by_id[min(able, key=lambda pk: (-votes[pk], pk))] if able else None


def _residual(ledger: Ledger, tag: Tag) -> Constraint:
    found = ledger.residual(tag.slug)
    if found is not None:
        return found
    ledger.new_count += 1
    return _created(ledger, tag, statement=statements.whole_tag(tag=tag.name), is_residual=True)


def _created(
    ledger: Ledger, tag: Tag, *, statement: str, medoid_id: int | None = None, is_residual: bool = False
) -> Constraint:
    made: Constraint = Constraint.objects.create(
        campaign_id=ledger.campaign_id,
        tag_slug=tag.slug,
        kind=tag.kind,
        statement=statement,
        medoid_id=medoid_id,
        is_residual=is_residual,
        created_at=ledger.now,
        updated_at=ledger.now,
    )
    ledger.by_id[made.pk] = made
    return made


def _place(places: Mapping[int, tuple[int, float]], *, moved: Sequence[int]) -> None:
    Member.objects.filter(violation__in=moved).delete()
    rows = (
        Member(violation_id=id_, constraint_id=key, similarity=similarity)
        for id_, (key, similarity) in sorted(places.items())
    )
    while chunk := list(islice(rows, 5000)):
        Member.objects.bulk_create(chunk)


def _name_residual(ledger: Ledger, tag: Tag) -> None:
    """Call it after the whole tag while it stands alone, and "other cases" beside particular groups."""
    residual = next((each for each in _living(ledger, tag.slug) if each.is_residual), None)
    if residual is None or not ledger.is_untouched(residual):
        return
    has_siblings = any(not each.is_residual for each in _living(ledger, tag.slug))
    name = (
        statements.other(tag=tag.name)
        if has_siblings
        else statements.whole_tag(tag=tag.name, description=tag.description)
    )
    if residual.statement != name:
        residual.statement, residual.updated_at = name, ledger.now
        residual.save(update_fields=["statement", "updated_at"])
