# ruff: noqa: S608 - the parts put together here are written here
"""Pairs of constraints that may be one: what they are compared by, and what a person is shown of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, F, Max, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign
from annotate.constraints.grouping import embedding
from annotate.constraints.merging import pairs as merging
from annotate.constraints.models import Constraint, Member, MergeProposal

LATEST = 20_000
"""How many of the latest judgments are looked through for constraints found together."""
REST = timedelta(milliseconds=24)
"""For each constraint that was compared, before a campaign's are compared again: twenty times what it took (two minutes
for 5,000)."""


def waiting_campaign_ids(*, now: datetime) -> list[int]:
    """Return the campaigns with a constraint that changed since its campaign's were last compared, and which rested."""
    living = Constraint.objects.living().filter(campaign__grouping__isnull=False).order_by("campaign")
    campaigns = living.values_list("campaign_id", "campaign__grouping__compared_at")
    return [
        campaign_id
        for campaign_id, compared_at, count, changed_at in campaigns.annotate(Count("pk"), Max("updated_at"))
        if compared_at is None or (changed_at > compared_at and compared_at + rest(constraints=count) <= now)
    ]


def rest(*, constraints: int) -> timedelta:
    """Return how long a campaign with so many is left alone after a comparison."""
    return min(constraints, merging.MOST_CONSTRAINTS) * REST


def candidates(*, campaign: Campaign) -> list[merging.Candidate]:
    """Return what is compared: the MOST_CONSTRAINTS largest living ones, but for what takes the rest of a tag. Of their
    members those most typical, found by an index: it costs the same however many there are."""
    names = {slug: tag.name for slug, tag in campaign_queries.tags_by_slug(campaign=campaign).items()}
    living = Constraint.objects.living().filter(campaign=campaign, is_residual=False).order_by("-member_count", "id")
    rows = list(living.values_list("id", "statement", "tag_slug")[: merging.MOST_CONSTRAINTS])
    members = _typical([id_ for id_, _, _ in rows], each=merging.told(len(rows)))
    return [
        merging.Candidate(
            id=id_, statement=statement.removeprefix(f"{names.get(slug, slug)}: "), members=members.get(id_, [])
        )
        for id_, statement, slug in rows
    ]


def _typical(ids: Sequence[int], *, each: int) -> dict[int, list[str]]:
    values: dict[str, int | list[int]] = {"ids": list(ids), "each": each, "longest": merging.LONGEST}
    with connection.cursor() as cursor:
        cursor.execute(_TYPICAL, values)
        found: dict[int, list[str]] = defaultdict(list)
        for id_, critique, quote, correction in cursor:
            if text := merging.text(embedding.Text(critique, quote, correction)):
                found[id_].append(text)
    return found


def found_together(*, campaign: Campaign) -> list[tuple[int, int]]:
    """Return the pairs most often on the same outputs, in the LATEST judgments, at least SHARED times."""
    values = {"campaign": campaign.pk, "latest": LATEST, "least": merging.SHARED, "most": merging.MOST_PAIRS}
    with connection.cursor() as cursor:
        cursor.execute(_TOGETHER, values)
        return [(left, right) for left, right, _ in cursor.fetchall()]


def shared(*, campaign: Campaign, pairs: Sequence[merging.Near]) -> dict[tuple[int, int], merging.Shared]:
    """Return on how many outputs of the LATEST judgments the constraints of each pair were found."""
    ids = sorted({id_ for each in pairs for id_ in (each.left, each.right)})
    values: dict[str, int | list[int]] = {
        "latest": LATEST,
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


# The outputs of the latest judgments, however many there are of the campaign.
_LATEST = """
WITH latest AS MATERIALIZED (
    SELECT id, output_id FROM judgments_judgment WHERE campaign_id = %(campaign)s AND is_current
    ORDER BY id DESC LIMIT %(latest)s
)"""

_TOGETHER = f"""{_LATEST}, held AS (
    SELECT DISTINCT m.constraint_id AS c, latest.output_id AS o FROM latest
    JOIN judgments_violation v ON v.judgment_id = latest.id
    JOIN constraints_member m ON m.violation_id = v.id
    JOIN constraints_constraint k ON k.id = m.constraint_id AND NOT k.is_residual
)
SELECT a.c, b.c, count(*) FROM held a JOIN held b ON a.o = b.o AND a.c < b.c
GROUP BY 1, 2 HAVING count(*) >= %(least)s ORDER BY 3 DESC, 1, 2 LIMIT %(most)s
"""

_COUNTS = f"""{_LATEST}, held AS MATERIALIZED (
    SELECT DISTINCT m.constraint_id AS c, latest.output_id AS o FROM latest
    JOIN judgments_violation v ON v.judgment_id = latest.id
    JOIN constraints_member m ON m.violation_id = v.id
    WHERE m.constraint_id = ANY(%(ids)s)
), pairs AS (SELECT unnest(%(lefts)s::bigint[]) AS l, unnest(%(rights)s::bigint[]) AS r)
SELECT c, c, count(*) FROM held GROUP BY c
UNION ALL
SELECT a.c, b.c, count(*) FROM held a JOIN held b ON a.o = b.o AND a.c < b.c
JOIN pairs ON pairs.l = a.c AND pairs.r = b.c GROUP BY 1, 2
"""

_JUDGED = f"{_LATEST} SELECT count(DISTINCT output_id) FROM latest"

_TYPICAL = """
SELECT wanted.id, left(v.critique, %(longest)s), left(v.quote, %(longest)s), left(v.correction, %(longest)s)
FROM unnest(%(ids)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT violation_id FROM constraints_member WHERE constraint_id = wanted.id
    ORDER BY similarity DESC, id LIMIT %(each)s
) AS typical
JOIN judgments_violation AS v ON v.id = typical.violation_id
"""
