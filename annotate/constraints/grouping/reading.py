"""What grouping reads of violations and tags. Nothing here reads a whole tag."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Left

from annotate.campaigns.models import Tag
from annotate.constraints.grouping import clustering, embedding, statements
from annotate.constraints.grouping.ledger import Ledger
from annotate.constraints.models import Constraint
from annotate.judgments.models import Violation

WINDOW = 1000
"""How many of a tag's latest left-over violations are looked at again, and how many tell which words are common."""

Told = list[tuple[int, list[int]]]
"""Of each living group the constraint that stands for it, and the ids of the violations that tell it."""


def items(violations: QuerySet[Violation]) -> list[clustering.Item]:
    """Return violations as the pure half sees them, by id.

    Only as much of each text is read as is compared: a critique of 10 MB costs what one of 400 characters does.
    """
    longest = embedding.LONGEST
    parts = (Left(name, longest) for name in ("critique", "quote", "correction"))
    values = violations.order_by("id").values_list("id", *parts)
    return [clustering.Item(id_, embedding.Text(*texts)) for id_, *texts in values.iterator(chunk_size=5000)]


def texts(ids: Iterable[int]) -> dict[int, embedding.Text]:
    return {item.id: item.text for item in items(Violation.objects.filter(pk__in=sorted(set(ids))))}


def latest_tag(*, campaign_id: int, slug: str) -> Tag:
    """Return the tag as the newest tag set that has it names it."""
    return Tag.objects.filter(tag_set__campaign=campaign_id, slug=slug).order_by("-tag_set__version")[0]


def tag_ids(*, campaign_id: int, slug: str) -> list[int]:
    """Return the tag's id in each version of the tag set."""
    return sorted(Tag.objects.filter(tag_set__campaign=campaign_id, slug=slug).values_list("id", flat=True))


def background(*, campaign_id: int, slug: str) -> list[embedding.Text]:
    """Return the texts of the tag's WINDOW latest violations: they say which words are common in it."""
    values: dict[str, int | list[int]] = {"most": WINDOW, "longest": embedding.LONGEST}
    with connection.cursor() as cursor:
        cursor.execute(_BACKGROUND, values | {"tags": tag_ids(campaign_id=campaign_id, slug=slug)})
        return [embedding.Text(*parts) for parts in cursor.fetchall()]


_BACKGROUND = """
SELECT left(v.critique, %(longest)s), left(v.quote, %(longest)s), left(v.correction, %(longest)s)
FROM unnest(%(tags)s::bigint[]) tag
CROSS JOIN LATERAL (SELECT * FROM judgments_violation WHERE tag_id = tag ORDER BY id DESC LIMIT %(most)s) v
JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
ORDER BY v.id DESC LIMIT %(most)s
"""


def left_over(ledger: Ledger) -> list[clustering.Item]:
    """Return the violations that came last to the tag's residual, unless a person accepted, named or merged that."""
    residual = ledger.residual()
    if residual is None or residual.tag_slug != ledger.slug or not ledger.is_untouched(residual.pk):
        return []
    loose = residual.members.order_by("similarity", "-id").values_list("violation_id", "is_pinned")[:WINDOW]
    return items(Violation.objects.filter(pk__in=[id_ for id_, is_pinned in loose if not is_pinned]))


def told(ledger: Ledger, *, without: Iterable[int]) -> Told:
    """Return what tells the tag's groups: the medoid and the nearest members that no person put there, of each
    constraint that lives or was merged into a living one; `without` those that are taken apart."""
    left_out = set(without)
    groups = [
        each
        for each in ledger.of_tag()
        if not each.is_residual
        and each.pk not in left_out
        and (each.medoid_id is not None or _is_worded(each))
        and ledger.living(each.pk) is not None
    ]
    found: dict[int, list[int]] = {each.pk: [] for each in groups}
    with connection.cursor() as cursor:
        cursor.execute(_EXEMPLARS, {"ids": sorted(found), "most": clustering.EXEMPLARS})
        for constraint_id, violation_id in cursor.fetchall():
            found[constraint_id].append(violation_id)
    return sorted(found.items())


_EXEMPLARS = """
SELECT c.id, told.id FROM constraints_constraint c
CROSS JOIN LATERAL (
    SELECT c.medoid_id AS id WHERE c.medoid_id IS NOT NULL
    UNION
    (SELECT m.violation_id FROM constraints_member m WHERE m.constraint_id = c.id AND NOT m.is_pinned
     ORDER BY m.similarity DESC, m.id LIMIT %(most)s)) told
WHERE c.id = ANY(%(ids)s) ORDER BY c.id, told.id
"""


def anchors(ledger: Ledger, told_by: Sequence[tuple[int, Sequence[int]]]) -> list[clustering.Anchor]:
    """Return the texts that tell the groups. A constraint that a person worded and that has no medoid, as those of an
    imported constitution, is told by its statement too."""
    known = texts(id_ for _, ids in told_by for id_ in ids)
    found = []
    for key, ids in told_by:
        said = [known[id_] for id_ in ids if id_ in known]
        each = ledger.by_id.get(key)
        if each is not None and each.medoid_id is None and _is_worded(each):
            said.append(embedding.Text(critique=statements.prohibited(each.statement)))
        found.append(clustering.Anchor(key=key, texts=said))
    return found


def _is_worded(constraint: Constraint) -> bool:
    return constraint.named_by_id is not None
