"""Reads of gold: who judged outputs whose errors are known, and what they found. Streamed, never a whole campaign."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

from django.contrib.postgres.aggregates import JSONBAgg
from django.db.models import JSONField, Q, QuerySet, Value
from django.db.models.functions import JSONObject

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Judgment
from annotate.quality import gold

ROWS_AT_ONCE = 2000


def gold_ids(*, campaign: Campaign, at_most: int) -> list[int]:
    """Return the newest outputs whose errors are known, newest first."""
    newest = intake_queries.gold(campaign_id=campaign.pk).order_by("-pk")
    return list(newest.values_list("pk", flat=True)[:at_most])


def measured(*, output_ids: Sequence[int]) -> QuerySet[User]:
    """Return who judged one of these gold outputs blind. External annotators are not: theirs are the known answers."""
    theirs = Judgment.objects.filter(output__in=output_ids, is_current=True, is_assisted=False)
    return User.objects.filter(pk__in=theirs.values("annotator")).exclude(kind=User.Kind.EXTERNAL)


def gold_scores(*, output_ids: Sequence[int], annotator_ids: Collection[int]) -> dict[int, gold.Score]:
    """Return what each of these annotators found on these gold outputs. One streamed statement.

    Only current judgments count, so one that was withdrawn or replaced does not, and of those the blind ones: what a
    check found for an annotator they did not find.
    """
    scores = {annotator_id: gold.Score() for annotator_id in annotator_ids}
    rows = (
        Judgment.objects.filter(output__in=output_ids, is_current=True, is_assisted=False)
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
