"""Pairs of constraints that may be one: what they are compared by, and what a person is shown of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Left, RowNumber

from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints.merging import pairs as merging
from annotate.constraints.models import Constraint, Member, MergeProposal

LATEST = 20_000
"""How many of the latest judgments are looked through for constraints found together."""


def waiting_campaign_ids() -> list[int]:
    """Return the campaigns with a constraint that changed since its campaign's were last compared."""
    changed = Q(campaign__grouping__compared_at=None) | Q(updated_at__gt=F("campaign__grouping__compared_at"))
    living = Constraint.objects.living().filter(changed, campaign__grouping__isnull=False)
    return list(living.order_by("campaign").values_list("campaign_id", flat=True).distinct())


def candidates(*, campaign: Campaign) -> list[merging.Candidate]:
    """Return what is compared: the MOST_CONSTRAINTS largest living ones, but for what takes the rest of a tag."""
    names = {slug: tag.name for slug, tag in campaign_queries.tags_by_slug(campaign=campaign).items()}
    parts = {name: Left(f"medoid__{name}", merging.LONGEST) for name in ("critique", "quote", "correction")}
    living = Constraint.objects.living().filter(campaign=campaign, is_residual=False).order_by("-member_count", "id")
    rows = living.values_list("id", "statement", "tag_slug", *parts.values())[: merging.MOST_CONSTRAINTS]
    return [
        merging.Candidate(
            id=id_,
            statement=statement.removeprefix(f"{names.get(slug, slug)}: "),
            medoid=critique or " ".join(filter(None, (quote, correction))),
        )
        for id_, statement, slug, critique, quote, correction in rows
    ]


def found_together(*, campaign: Campaign) -> list[tuple[int, int]]:
    """Return the pairs most often on the same outputs, in the LATEST judgments, at least SHARED times."""
    values = {"campaign": campaign.pk, "latest": LATEST, "least": merging.SHARED, "most": merging.MOST_PAIRS}
    with connection.cursor() as cursor:
        cursor.execute(_TOGETHER, values)
        return [(left, right) for left, right, _ in cursor.fetchall()]


def shared(*, campaign: Campaign, pairs: Sequence[merging.Near]) -> dict[tuple[int, int], merging.Shared]:
    """Return on which outputs the constraints of each pair were found. The counting is the database's."""
    ids = sorted({id_ for each in pairs for id_ in (each.left, each.right)})
    values: dict[str, int | list[int]] = {
        "ids": ids,
        "lefts": [each.left for each in pairs],
        "rights": [each.right for each in pairs],
        "campaign": campaign.pk,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, values)
        counts = {(left, right): count for left, right, count in cursor.fetchall()}
        cursor.execute(_JUDGED, values)
        judged = cursor.fetchone()[0]
    return {
        (each.left, each.right): merging.Shared(
            both=counts.get((each.left, each.right), 0),
            left=counts.get((each.left, each.left), 0),
            right=counts.get((each.right, each.right), 0),
            judged=judged,
        )
        for each in pairs
    }


def refused_pairs(*, campaign: Campaign) -> set[tuple[int, int]]:
    """Return the pairs that are never proposed, as their members stand now: 1 is not 2, and 2 was merged into 3."""
    rows = Constraint.objects.filter(campaign=campaign, merged_into__isnull=False)
    merges = dict(rows.values_list("id", "merged_into_id"))
    pairs = MergeProposal.objects.filter(campaign=campaign, refused_at__isnull=False).values_list("left", "right")
    ends = [(_followed(one, merges), _followed(two, merges)) for one, two in pairs]
    return {(min(pair), max(pair)) for pair in ends}


def proposals(*, campaign: Campaign) -> QuerySet[MergeProposal]:
    """Return the open proposals, the likeliest first."""
    return _between_living(campaign).filter(refused_at=None).order_by("-likeness", "id")


def refused(*, campaign: Campaign) -> QuerySet[MergeProposal]:
    """Return what somebody said is not the same, the last first."""
    return _between_living(campaign).filter(refused_at__isnull=False).order_by("-refused_at", "-id")


def of_constraint(*, constraint: Constraint) -> QuerySet[MergeProposal]:
    found = proposals(campaign=constraint.campaign)
    return found.filter(Q(left=constraint) | Q(right=constraint))


def after(found: QuerySet[MergeProposal], *, likeness: float, id_: int) -> QuerySet[MergeProposal]:
    """Only what follows this key in the order of `proposals`."""
    return found.filter(Q(likeness__lt=likeness) | Q(likeness=likeness, id__gt=id_))


def examples(*, members: QuerySet[Member], constraint_ids: Iterable[int], each: int = 3) -> dict[int, list[Member]]:
    """Return the first members of each constraint, those nearest to its medoid. One query."""
    order = Window(RowNumber(), partition_by="constraint", order_by=[F("similarity").desc(), F("id").asc()])
    ranked = Member.objects.filter(constraint__in=list(constraint_ids)).annotate(place=order).filter(place__lte=each)
    found: dict[int, list[Member]] = defaultdict(list)
    for member in members.filter(pk__in=[one.pk for one in ranked]).order_by("-similarity", "id"):
        found[member.constraint_id].append(member)
    return found


def _between_living(campaign: Campaign) -> QuerySet[MergeProposal]:
    found = MergeProposal.objects.filter(campaign=campaign).select_related("left__named_by", "right__named_by")
    retired = Constraint.State.RETIRED
    return found.exclude(left__state=retired).exclude(right__state=retired)


def _followed(constraint_id: int, merges: dict[int, int]) -> int:
    seen = {constraint_id}
    while (into := merges.get(constraint_id)) is not None and into not in seen:
        seen.add(into)
        constraint_id = into
    return constraint_id


_TOGETHER = """
WITH latest AS (
    SELECT id, output_id FROM judgments_judgment WHERE campaign_id = %(campaign)s AND is_current
    ORDER BY id DESC LIMIT %(latest)s
), held AS (
    SELECT DISTINCT m.constraint_id AS c, latest.output_id AS o FROM latest
    JOIN judgments_violation v ON v.judgment_id = latest.id
    JOIN constraints_member m ON m.violation_id = v.id
    JOIN constraints_constraint k ON k.id = m.constraint_id AND NOT k.is_residual
)
SELECT a.c, b.c, count(*) FROM held a JOIN held b ON a.o = b.o AND a.c < b.c
GROUP BY 1, 2 HAVING count(*) >= %(least)s ORDER BY 3 DESC, 1, 2 LIMIT %(most)s
"""

_COUNTS = """
WITH held AS MATERIALIZED (
    SELECT DISTINCT m.constraint_id AS c, j.output_id AS o FROM constraints_member m
    JOIN judgments_violation v ON v.id = m.violation_id
    JOIN judgments_judgment j ON j.id = v.judgment_id AND j.is_current
    WHERE m.constraint_id = ANY(%(ids)s)
), pairs AS (SELECT unnest(%(lefts)s::bigint[]) AS l, unnest(%(rights)s::bigint[]) AS r)
SELECT c, c, count(*) FROM held GROUP BY c
UNION ALL
SELECT a.c, b.c, count(*) FROM held a JOIN held b ON a.o = b.o AND a.c < b.c
JOIN pairs ON pairs.l = a.c AND pairs.r = b.c GROUP BY 1, 2
"""

_JUDGED = "SELECT count(DISTINCT output_id) FROM judgments_judgment WHERE campaign_id = %(campaign)s AND is_current"
