"""Reads of judgments as votes: who said what of which output. Streamed; nothing holds a whole campaign.

Gold has no part in agreement unless it is asked for: outputs with planted errors are not what a campaign is about.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg, BoolOr, JSONBAgg
from django.db.models import JSONField, Q, QuerySet, Value
from django.db.models.functions import JSONObject

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign, Tag
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Judgment, Violation
from annotate.quality import agreement, gold
from annotate.quality.judges import PEOPLE

ROWS_AT_ONCE = 2000
DECIDED = (Judgment.Verdict.REJECTED, Judgment.Verdict.NOTHING_WRONG)
SEVERE = (Violation.Severity.MAJOR, Violation.Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Labels:
    """One decided judgment, reduced to what agreement asks of it."""

    output_id: int
    annotator_id: int
    is_rejected: bool
    is_major: bool
    tags: frozenset[str]


@dataclass(kw_only=True, slots=True)
class Agreement:
    """Krippendorff's alpha over outputs with two or more decided judgments; None where it is undefined.

    `tags` holds (name, alpha, how often applied), by name.
    """

    outputs: int = 0
    judgments: int = 0
    annotators: int = 0
    any_violation: float | None = None
    any_major: float | None = None
    tags: list[tuple[str, float | None, int]] = field(default_factory=list)


def labels_by_output(
    *, campaign: Campaign, kinds: Collection[str] = PEOPLE, with_gold: bool = False
) -> Iterator[list[Labels]]:
    """Yield the current, decided judgments of each output that has some, in order of output. One streamed statement.

    With gold, its known answers are left out: they are nobody's judgment.
    """
    judgments = Judgment.objects.filter(campaign=campaign, is_current=True, verdict__in=DECIDED)
    known = Q(output__in=intake_queries.gold(campaign_id=campaign.pk).values("pk"))
    rows = (
        judgments.filter(annotator__kind__in=kinds)
        .exclude(known & Q(annotator__kind=User.Kind.EXTERNAL) if with_gold else known)
        .order_by("output_id", "annotator_id")
        .annotate(
            tags=ArrayAgg(
                "violations__tag__slug", distinct=True, filter=Q(violations__isnull=False), default=Value([])
            ),
            is_major=BoolOr(Q(violations__severity__in=SEVERE), default=Value(False)),
        )
        .values_list("output_id", "annotator_id", "verdict", "is_major", "tags")
        .iterator(chunk_size=ROWS_AT_ONCE)
    )
    labels = (
        Labels(output_id, annotator_id, verdict == Judgment.Verdict.REJECTED, bool(is_major), frozenset(tags))
        for output_id, annotator_id, verdict, is_major, tags in rows
    )
    for _, group in itertools.groupby(labels, key=attrgetter("output_id")):
        yield list(group)


def agreement_of(
    *,
    campaign: Campaign,
    judgments: int | None = None,
    kinds: Collection[str] = PEOPLE,
    with_gold: bool = False,
) -> Agreement:
    """Return how far the campaign's annotators of these kinds agree; with `judgments`, on outputs with so many of them.

    A tag counts as present where the annotator applied it at all. What `cannot_tell` said is left out.
    """
    rejected, major, presence = agreement.Nominal(), agreement.Nominal(), agreement.Presence()
    annotators: set[int] = set()
    for votes in labels_by_output(campaign=campaign, kinds=kinds, with_gold=with_gold):
        if len(votes) < 2 or (judgments is not None and len(votes) != judgments):
            continue
        rejected.add(vote.is_rejected for vote in votes)
        major.add(vote.is_major for vote in votes)
        presence.add([vote.tags for vote in votes])
        annotators |= {vote.annotator_id for vote in votes}
    names = _names(campaign)
    return Agreement(
        outputs=rejected.units,
        judgments=rejected.labels,
        annotators=len(annotators),
        any_violation=rejected.alpha,
        any_major=major.alpha,
        tags=sorted((names[slug], presence.alpha(slug), count) for slug, count in presence.applied.items()),
    )


def gold_ids(*, campaign: Campaign, at_most: int) -> list[int]:
    """Return the newest outputs whose errors are known, newest first."""
    newest = intake_queries.gold(campaign_id=campaign.pk).order_by("-pk")
    return list(newest.values_list("pk", flat=True)[:at_most])


def measured(*, output_ids: Sequence[int]) -> QuerySet[User]:
    """Return who has judged one of these gold outputs. External annotators are not: theirs are the known answers."""
    theirs = Judgment.objects.filter(output__in=output_ids, is_current=True)
    return User.objects.filter(pk__in=theirs.values("annotator")).exclude(kind=User.Kind.EXTERNAL)


def gold_scores(*, output_ids: Sequence[int], annotator_ids: Collection[int]) -> dict[int, gold.Score]:
    """Return what each of these annotators found on these gold outputs. One streamed statement.

    Only current judgments count, so one that was withdrawn or replaced does not.
    """
    scores = {annotator_id: gold.Score() for annotator_id in annotator_ids}
    rows = (
        Judgment.objects.filter(output__in=output_ids, is_current=True)
        .filter(Q(annotator__kind=User.Kind.EXTERNAL) | Q(annotator__in=list(annotator_ids)))
        .order_by("output_id")
        .annotate(
            marks=JSONBAgg(
                JSONObject(tag="violations__tag__slug", start="violations__start", end="violations__end"),
                filter=Q(violations__isnull=False),
                default=Value([], output_field=JSONField()),
            )
        )
        .values_list("output_id", "annotator_id", "annotator__kind", "verdict", "marks")
        .iterator(chunk_size=ROWS_AT_ONCE)
    )
    for _, group in itertools.groupby(rows, key=itemgetter(0)):
        _score(list(group), scores)
    return scores


def _score(rows: list[tuple[int, int, str, str, Any]], scores: dict[int, gold.Score]) -> None:
    """Count the judgments of one output, if it has a known answer."""
    answers = [_answer(verdict, marks) for _, _, kind, verdict, marks in rows if kind == User.Kind.EXTERNAL]
    if not answers:
        return
    known = gold.together(answers)
    for _, annotator_id, kind, verdict, marks in rows:
        if kind != User.Kind.EXTERNAL:
            scores[annotator_id].add(known=known, given=_answer(verdict, marks))


def _answer(verdict: str, marks: list[dict[str, Any]]) -> gold.Answer:
    return gold.Answer(verdict=verdict, marks=tuple(gold.Mark(**mark) for mark in marks))


def _names(campaign: Campaign) -> dict[str, str]:
    """Return the newest name of every tag that the campaign ever had."""
    versions = Tag.objects.filter(tag_set__campaign=campaign).order_by("tag_set__version")
    return dict(versions.values_list("slug", "name"))
