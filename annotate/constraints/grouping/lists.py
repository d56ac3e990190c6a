"""Which violations a regrouping is about. Statements that read only what was judged lately, by index.

What changed since a judgment: those that came after it, and the older revisions of those that are revisions, which they
replaced or gave their place back to. Violations on gold are left out: a planted error says nothing of what models do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from annotate.campaigns.models import Tag
from annotate.constraints.grouping import clustering, embedding

_CHANGED = """
WITH j AS MATERIALIZED (
    SELECT j.id, j.output_id, j.is_current FROM judgments_judgment j
    WHERE j.campaign_id = %(campaign)s AND j.id > %(since)s
    UNION ALL
    SELECT o.id, o.output_id, o.is_current FROM judgments_judgment j
    JOIN judgments_judgment o ON o.output_id = j.output_id AND o.annotator_id = j.annotator_id AND o.id <= %(since)s
    WHERE j.campaign_id = %(campaign)s AND j.id > %(since)s AND j.revision > 1
)"""

_UNPLACED = """
j.is_current AND v.tag_id = ANY(%(tags)s)
AND NOT EXISTS (SELECT FROM constraints_member m WHERE m.violation_id = v.id)
AND NOT EXISTS (SELECT FROM intake_output o JOIN intake_importbatch b ON b.id = o.batch_id
                WHERE o.id = j.output_id AND b.purpose = 'gold')"""

_OF_CHANGED = f"FROM j JOIN judgments_violation v ON v.judgment_id = j.id WHERE {_UNPLACED}"
_OF_ALL = f"FROM judgments_violation v JOIN judgments_judgment j ON j.id = v.judgment_id WHERE {_UNPLACED}"
"""Each step is a look-up by index, so that a plan made with old statistics is slower at most, not hopeless."""


@dataclass(frozen=True, kw_only=True)
class Unplaced:
    """One violation of a list as it stands now; `constraint_id` is where it is, None when nowhere."""

    item: clustering.Item
    constraint_id: int | None


def unplaced_by_tag(*, campaign_id: int, since: int) -> dict[str, int]:
    """Return how many current violations of each tag are in no constraint, of what changed since that judgment."""
    slugs = dict(Tag.objects.filter(tag_set__campaign=campaign_id).values_list("id", "slug"))
    values: dict[str, int | list[int]] = {"campaign": campaign_id, "since": since}
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT if since else _COUNT_ALL, values | {"tags": sorted(slugs)})
        for tag_id, count in cursor.fetchall():
            found[slugs[tag_id]] += count
    return dict(found)


_COUNT = f"{_CHANGED} SELECT v.tag_id, count(*) {_OF_CHANGED} GROUP BY v.tag_id"
_COUNT_ALL = f"SELECT v.tag_id, count(*) {_OF_ALL} GROUP BY v.tag_id"


def superseded(*, campaign_id: int, since: int, most: int) -> list[tuple[int, int]]:
    """Return members, at most so many, whose judgment is no longer current: (its id, its constraint's)."""
    with connection.cursor() as cursor:
        values = {"campaign": campaign_id, "since": since, "most": most}
        cursor.execute(_SUPERSEDED if since else _SUPERSEDED_ALL, values)
        return list(cursor.fetchall())


_SUPERSEDED = f"""
{_CHANGED}
SELECT m.id, m.constraint_id FROM j JOIN judgments_violation v ON v.judgment_id = j.id
JOIN constraints_member m ON m.violation_id = v.id WHERE NOT j.is_current LIMIT %(most)s
"""  # noqa: S608 - made of constants
_SUPERSEDED_ALL = """
SELECT m.id, m.constraint_id FROM constraints_constraint c
JOIN constraints_member m ON m.constraint_id = c.id
JOIN judgments_violation v ON v.id = m.violation_id
JOIN judgments_judgment j ON j.id = v.judgment_id
WHERE c.campaign_id = %(campaign)s AND NOT j.is_current LIMIT %(most)s
"""


def delete_members(found: Sequence[tuple[int, int]]) -> Counter[int]:
    """Delete members, each only if it is still in the constraint named beside it; return how many each lost."""
    ids, constraints = [id_ for id_, _ in found], [constraint_id for _, constraint_id in found]
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [ids, constraints])
        return Counter(constraint_id for (constraint_id,) in cursor.fetchall())


_DELETE = """
DELETE FROM constraints_member m USING unnest(%s::bigint[], %s::bigint[]) gone(id, constraint_id)
WHERE m.id = gone.id AND m.constraint_id = gone.constraint_id RETURNING m.constraint_id
"""


def write(*, shard_id: int, campaign_id: int, since: int, tags: Sequence[int], apart: Sequence[int]) -> int:
    """Store a shard's list and return its length: what is unplaced of the tag, and all members of those taken `apart`
    that no person put there."""
    values: dict[str, int | list[int]] = {"shard": shard_id, "campaign": campaign_id, "since": since}
    with connection.cursor() as cursor:
        cursor.execute(_WRITE if since else _WRITE_ALL, values | {"tags": list(tags), "apart": list(apart)})
        return int(cursor.rowcount)


_WRITTEN = """
INSERT INTO constraints_listed (shard_id, place, violation_id, constraint_id)
SELECT %(shard)s, row_number() OVER (ORDER BY md5(id::text), id), id, constraint_id FROM found"""
_WRITE = f"{_CHANGED}, found AS (SELECT v.id, NULL::bigint AS constraint_id {_OF_CHANGED}) {_WRITTEN}"
_WRITE_ALL = f"""
WITH found AS (
    SELECT v.id, NULL::bigint AS constraint_id {_OF_ALL}
    UNION ALL
    SELECT m.violation_id, m.constraint_id FROM constraints_member m
    WHERE m.constraint_id = ANY(%(apart)s) AND NOT m.is_pinned
) {_WRITTEN}
"""  # noqa: S608 - made of constants


def portion(*, shard_id: int, after: int, upto: int) -> list[Unplaced]:
    """Return what stands after a place of a shard's list, without what is withdrawn, moved or pinned since."""
    values = {"shard": shard_id, "after": after, "upto": upto, "longest": embedding.LONGEST}
    with connection.cursor() as cursor:
        cursor.execute(_PORTION, values)
        return [
            Unplaced(item=clustering.Item(id_, embedding.Text(*parts)), constraint_id=constraint_id)
            for id_, constraint_id, *parts in cursor.fetchall()
        ]


_PORTION = """
SELECT v.id, l.constraint_id, left(v.critique, %(longest)s), left(v.quote, %(longest)s), left(v.correction, %(longest)s)
FROM constraints_listed l
JOIN judgments_violation v ON v.id = l.violation_id
JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
LEFT JOIN constraints_member m ON m.violation_id = v.id
WHERE l.shard_id = %(shard)s AND l.place > %(after)s AND l.place <= %(upto)s
  AND m.constraint_id IS NOT DISTINCT FROM l.constraint_id AND m.is_pinned IS NOT TRUE
ORDER BY v.id
"""


def taken_apart(*, shard_id: int) -> set[int]:
    """Return the constraints that the list's violations are in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT constraint_id FROM constraints_listed WHERE shard_id = %s", [shard_id])
        return {id_ for (id_,) in cursor.fetchall() if id_ is not None}


def drop(*, shard_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM constraints_listed WHERE shard_id = %s", [shard_id])
