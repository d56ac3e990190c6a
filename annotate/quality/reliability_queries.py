"""A campaign's judgments as labels for the consensus models: streamed into arrays, never held as rows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.intake import queries as intake_queries
from annotate.judgments.models import Judgment, Violation
from annotate.quality import reliability
from annotate.quality.judges import PEOPLE
from annotate.quality.reliability_labels import Codes, Labels

ROWS_AT_ONCE = 2000
DECIDED = (Judgment.Verdict.REJECTED, Judgment.Verdict.NOTHING_WRONG)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Said:
    """What annotators said, yes or no: unit u of `labels` is output `output_ids[u]`, rater w is `annotator_ids[w]`.

    `labels` is None where nobody said anything. `is_cut`: older judgments were left out.
    """

    labels: Labels | None
    output_ids: Codes
    annotator_ids: Codes
    is_cut: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Opinion:
    """What the labels of one output say together: of `labels`, how many said yes; how likely yes is by each model."""

    output_id: int
    labels: int
    yes: int
    dawid_skene: float
    mace: float


def said(
    *,
    campaign: Campaign,
    tag_slug: str = "",
    kinds: Collection[str] = PEOPLE,
    with_gold: bool = False,
    at_most: int | None = None,
) -> Said:
    """Return who rejected what or, with `tag_slug`, who applied that tag: of current judgments that decided blind, the
    newest `at_most`. One streamed statement.

    With gold, its known answers are left out: they are nobody's judgment.
    """
    is_yes = (
        Exists(Violation.objects.filter(judgment=OuterRef("pk"), tag__slug=tag_slug))
        if tag_slug
        else ExpressionWrapper(Q(verdict=Judgment.Verdict.REJECTED), output_field=BooleanField())
    )
    known = Q(output__in=intake_queries.gold(campaign_id=campaign.pk).values("pk"))
    rows = (
        Judgment.objects.filter(campaign=campaign, is_current=True, is_assisted=False, verdict__in=DECIDED)
        .filter(annotator__kind__in=kinds)
        .exclude(known & Q(annotator__kind=User.Kind.EXTERNAL) if with_gold else known)
        .annotate(is_yes=is_yes)
        .order_by("-pk")
        .values_list("output_id", "annotator_id", "is_yes")
    )
    newest = rows if at_most is None else rows[: at_most + 1]
    return _coded(newest.iterator(chunk_size=ROWS_AT_ONCE), at_most)


def opinions(*, said: Said, found: reliability.Reliability, places: Iterable[int]) -> list[Opinion]:
    """Return the consensus on the shared outputs at these places of `found.units`: votes beside both models."""
    if said.labels is None:
        return []
    labels = said.labels.of_unit()
    return [
        Opinion(
            output_id=int(said.output_ids[unit]),
            labels=int(labels[unit]),
            yes=round(float(found.votes[place]) * int(labels[unit])),
            dawid_skene=float(found.dawid_skene[place]),
            mace=float(found.mace[place]),
        )
        for place, unit in ((place, int(found.units[place])) for place in places)
    ]


def _coded(rows: Iterable[tuple[int, int, bool]], at_most: int | None) -> Said:
    every = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64).reshape(-1, 3)
    kept = every[:at_most]
    output_ids, unit = np.unique(kept[:, 0], return_inverse=True)
    annotator_ids, rater = np.unique(kept[:, 1], return_inverse=True)
    labels = Labels(unit=unit, rater=rater, label=kept[:, 2]) if len(kept) else None
    return Said(labels=labels, output_ids=output_ids, annotator_ids=annotator_ids, is_cut=len(kept) < len(every))
