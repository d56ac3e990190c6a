"""Reads of a campaign's judgments for agreement. Streamed into columns of numbers; no row outlives its chunk.

Gold has no part in agreement unless it is asked for: outputs with planted errors are not what a campaign is about.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Length

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Tag
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Judgment, Violation
from annotate.quality import agreement_campaign, bootstrap
from annotate.quality.agreement_campaign import Agreement, PairAgreement, TagAgreement
from annotate.quality.agreement_columns import NO_SEVERITY, SEVERITIES, Columns
from annotate.quality.bootstrap import Integers
from annotate.quality.judges import PEOPLE

ROWS_AT_ONCE = 2000
DECIDED = (Judgment.Verdict.REJECTED, Judgment.Verdict.NOTHING_WRONG)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """The agreement of a campaign, with the words for its numbers.

    `is_cut`: older outputs were left out. `tags`: (name, figures), by name. `pairs`: (who, who, figures), those that
    share most outputs first.
    """

    outputs: int
    judgments: int
    annotators: int
    is_cut: bool
    overall: Agreement
    tags: list[tuple[str, TagAgreement]]
    pairs: list[tuple[User, User, PairAgreement]]


@dataclass(frozen=True, slots=True)
class Read:
    """Columns, and what their numbers stand for: users' ids and slugs of tags."""

    columns: Columns
    annotators: Sequence[int]
    tags: Sequence[str]


def agreement_of(
    *,
    campaign: Campaign,
    judgments: int | None = None,
    kinds: Collection[str] = PEOPLE,
    with_gold: bool = False,
    newest: int | None = None,
) -> Found:
    """Return how far the campaign's annotators of these kinds agree, on outputs that two or more of them decided on.

    With `judgments`, only outputs with exactly so many; with `newest`, only so many of the newest. What `cannot_tell`
    said is left out. With gold, its known answers are: they are nobody's judgment.
    """
    counted = decided(campaign=campaign, kinds=kinds, with_gold=with_gold)
    is_cut = False
    if newest is not None:
        ids = _newest_shared(counted, newest + 1)
        counted, is_cut = counted.filter(output__in=ids[:newest]), len(ids) > newest
    found = read(judgments=counted)
    frame = found.columns.frame(judgments=judgments)
    draws = agreement_campaign.draws_for(frame)
    return Found(
        outputs=frame.outputs,
        judgments=frame.judgments,
        annotators=int(np.unique(frame.annotator).size),
        is_cut=is_cut,
        overall=agreement_campaign.overall(frame, draws=draws),
        tags=_named(agreement_campaign.by_tag(frame, draws=draws), found.tags, campaign),
        pairs=_with_users(agreement_campaign.by_pair(frame, draws=draws), found.annotators),
    )


def decided(*, campaign: Campaign, kinds: Collection[str], with_gold: bool) -> QuerySet[Judgment]:
    """Return the current judgments of these kinds of annotators that decided, blind: who is shown what a check found
    agrees with the check, and so with others who were."""
    known = Q(output__in=intake_queries.gold(campaign_id=campaign.pk).values("pk"))
    current = Judgment.objects.filter(campaign=campaign, is_current=True, is_assisted=False, verdict__in=DECIDED)
    return current.filter(annotator__kind__in=kinds).exclude(
        known & Q(annotator__kind=User.Kind.EXTERNAL) if with_gold else known
    )


def read(*, judgments: QuerySet[Judgment]) -> Read:
    """Return these judgments, at most one of an annotator per output, and their violations. Two streamed statements."""
    rows = _numbers(
        judgments.order_by("output_id", "annotator_id")
        .annotate(length=Length("output__text"))
        .values_list("pk", "output_id", "annotator_id", "verdict", "length")
        .iterator(chunk_size=ROWS_AT_ONCE),
        verdicts={verdict: int(verdict == Judgment.Verdict.REJECTED) for verdict in DECIDED},
    )
    _, first, output = np.unique(rows[:, 1], return_index=True, return_inverse=True)
    annotators, annotator = np.unique(rows[:, 2], return_inverse=True)
    tags: dict[str, int] = {}
    marks = _marks(judgments, rows[:, 0], tags)
    columns = Columns(
        output=output,
        annotator=annotator,
        is_rejected=rows[:, 3],
        length=rows[first, 4],
        block=bootstrap.block_of(np.arange(first.size)),
        **marks,
    )
    return Read(columns, annotators.tolist(), list(tags))


def _numbers(rows: Iterable[tuple[int, int, int, str, int]], *, verdicts: dict[str, int]) -> Integers:
    flat = array("q")
    for pk, output, annotator, verdict, length in rows:
        flat.extend((pk, output, annotator, verdicts[verdict], length))
    return np.frombuffer(flat, dtype=np.int64).reshape(-1, 5)


def _marks(judgments: QuerySet[Judgment], pks: Integers, tags: dict[str, int]) -> dict[str, Integers]:
    """Return the columns of violations; `tags` is filled. Those of a judgment that came in between are left out."""
    severities = {"": NO_SEVERITY, **{severity: place for place, severity in enumerate(SEVERITIES)}}
    flat = array("q")
    for judgment, slug, severity, start, end in (
        Violation.objects.filter(judgment__in=judgments.order_by())
        .order_by()
        .values_list("judgment_id", "tag__slug", "severity", "start", "end")
        .iterator(chunk_size=ROWS_AT_ONCE)
    ):
        flat.extend((judgment, tags.setdefault(slug, len(tags)), severities[severity], start or 0, end or 0))
    rows = np.frombuffer(flat, dtype=np.int64).reshape(-1, 5)
    order = pks.argsort()
    place = np.searchsorted(pks, rows[:, 0], sorter=order).clip(max=max(0, pks.size - 1))
    is_known = pks[order[place]] == rows[:, 0] if pks.size else np.zeros(len(rows), dtype=bool)
    kept = rows[is_known]
    names = ("tag", "severity", "start", "end")
    return {"judgment": order[place[is_known]], **{name: kept[:, at] for at, name in enumerate(names, start=1)}}


def _newest_shared(judgments: QuerySet[Judgment], at_most: int) -> list[int]:
    """Return the newest outputs with two or more of these judgments, newest first."""
    shared = judgments.order_by().values("output_id").annotate(size=Count("pk")).filter(size__gte=2)
    return list(shared.order_by("-output_id").values_list("output_id", flat=True)[:at_most])


def _named(found: list[TagAgreement], slugs: Sequence[str], campaign: Campaign) -> list[tuple[str, TagAgreement]]:
    """Name the tags as they were named last."""
    versions = Tag.objects.filter(tag_set__campaign=campaign).order_by("tag_set__version")
    names = dict(versions.values_list("slug", "name"))
    return sorted(((names[slugs[each.tag]], each) for each in found), key=lambda named: named[0])


def _with_users(found: list[PairAgreement], ids: Sequence[int]) -> list[tuple[User, User, PairAgreement]]:
    numbers = set(itertools.chain.from_iterable(each.annotators for each in found))
    users = User.objects.in_bulk([ids[number] for number in numbers])
    return [(users[ids[each.annotators[0]]], users[ids[each.annotators[1]]], each) for each in found]
