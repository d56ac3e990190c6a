"""Reads of judgments as votes: who said what of which output. Streamed; nothing holds a whole campaign."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from django.contrib.postgres.aggregates import ArrayAgg, BoolOr
from django.db.models import Q, Value

from annotate.campaigns.models import Campaign, Tag
from annotate.judgments.models import Judgment, Violation
from annotate.quality import agreement

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


def labels_by_output(*, campaign: Campaign) -> Iterator[list[Labels]]:
    """Yield the current, decided judgments of each output that has some, in order of output. One streamed statement."""
    rows = (
        Judgment.objects.filter(campaign=campaign, is_current=True, verdict__in=DECIDED)
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


def agreement_of(*, campaign: Campaign, judgments: int | None = None) -> Agreement:
    """Return how far the campaign's annotators agree; with `judgments`, on outputs with exactly so many of them.

    A tag counts as present where the annotator applied it at all. What `cannot_tell` said is left out.
    """
    rejected, major, presence = agreement.Nominal(), agreement.Nominal(), agreement.Presence()
    annotators: set[int] = set()
    for votes in labels_by_output(campaign=campaign):
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


def _names(campaign: Campaign) -> dict[str, str]:
    """Return the newest name of every tag that the campaign ever had."""
    versions = Tag.objects.filter(tag_set__campaign=campaign).order_by("tag_set__version")
    return dict(versions.values_list("slug", "name"))
