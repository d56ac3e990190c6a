"""Scorecards measured from judgments, by a sweep. Pages read what was last measured.

Answers in verify mode are kept by a room above this one, so they are handed in.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet

from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check
from annotate.constraints.models import Constraint
from annotate.constraints.scorecard import measures as scorecard
from annotate.constraints.scorecard import reading
from annotate.constraints.scorecard import tally as scorecard_tally
from annotate.constraints.scorecard.models import Scorecard, Scoring
from annotate.intake.models import ImportBatch
from annotate.judgments.models import Judgment
from annotate.quality import judges

MEASURED = (Constraint.State.ACCEPTED, Constraint.State.CANDIDATE)
REST_AT_LEAST, REST_TIMES = timedelta(minutes=1), 20
"""A campaign is left alone after a measurement: for so long, and for so many times what it took."""


def waiting_campaign_ids(*, now: datetime, last_answers: Mapping[int, int]) -> list[int]:
    """Return the campaigns whose scorecards are behind and which have rested. `last_answers`: by campaign, its last."""
    known = {each.campaign_id: each for each in Scoring.objects.all()}
    return [
        campaign_id
        for campaign_id, mark in _fingerprints(last_answers).items()
        if campaign_id not in known or (known[campaign_id].fingerprint != mark and _has_rested(known[campaign_id], now))
    ]


@transaction.atomic
def measure(
    *, campaign_id: int, now: datetime, last_answer: int = 0, answered: Iterable[scorecard_tally.Answered] = ()
) -> int:
    """Measure every accepted and candidate constraint of the campaign. Returns how many; 0 when another is at it.

    Reads the judgments of people, or those of programs where no person judged; gold is left out. Memory is bounded by
    what scorecard_tally says. `answered` comes sorted by constraint, output, annotator and round.
    """
    started = time.perf_counter()
    Scoring.objects.get_or_create(campaign_id=campaign_id)
    place = Scoring.objects.select_for_update(no_key=True, skip_locked=True).filter(campaign=campaign_id).first()
    if place is None:
        return 0
    place.fingerprint = _fingerprints({campaign_id: last_answer}, campaign_id=campaign_id).get(campaign_id, "")
    place.last_judgment_id = Judgment.objects.filter(campaign=campaign_id).aggregate(last=Max("pk"))["last"] or 0
    ids = list(_measured(campaign_id).order_by("pk").values_list("pk", flat=True))
    place.counted = list(_counted(campaign_id))
    cards = scorecard_tally.cards(
        reading.tallied(campaign_id, place, ids),
        constraints=ids,
        asked=scorecard_tally.verified(answered),
        checks=_checks(campaign_id),
        assisted=reading.assisted(campaign_id, place, ids),
    )
    _store(campaign_id, cards, now)
    place.seconds, place.measured_at = time.perf_counter() - started, now
    place.save()
    return len(cards)


def of_campaign(*, campaign: Campaign) -> Scoring | None:
    """Return what was measured when; None before the first time."""
    return Scoring.objects.filter(campaign=campaign, measured_at__isnull=False).first()


def by_support(*, campaign: Campaign, after: tuple[int, int] | None = None) -> QuerySet[Constraint]:
    """Return the accepted and candidate constraints, those with the most members first, each with its `scorecard`.

    `after` is (members, id) of the last one seen.
    """
    found = _measured(campaign.pk).select_related("scorecard").order_by("-member_count", "pk")
    if after is None:
        return found
    count, pk = after
    return found.filter(Q(member_count__lt=count) | Q(member_count=count, pk__gt=pk))


def statements(*, campaign: Campaign, ids: Iterable[int]) -> dict[int, str]:
    """Return the statements of these constraints, merged and dismissed ones too."""
    return dict(Constraint.objects.filter(campaign=campaign, pk__in=list(ids)).values_list("pk", "statement"))


def _measured(campaign_id: int) -> QuerySet[Constraint]:
    found: QuerySet[Constraint] = Constraint.objects.filter(campaign=campaign_id, state__in=MEASURED)
    return found


def _has_rested(scoring: Scoring, now: datetime) -> bool:
    rest = max(REST_AT_LEAST, REST_TIMES * timedelta(seconds=scoring.seconds))
    return scoring.measured_at is None or scoring.measured_at + rest <= now


def _fingerprints(last_answers: Mapping[int, int], *, campaign_id: int | None = None) -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINTS, {"campaign": campaign_id})
        return {pk: f"{mark} {last_answers.get(pk, 0)}" for pk, mark in cursor.fetchall()}


_FINGERPRINTS = """
SELECT c.id, concat_ws(' ',
    coalesce((SELECT max(id) FROM judgments_judgment WHERE campaign_id = c.id), 0),
    coalesce((SELECT extract(epoch FROM grouped_at) FROM constraints_grouping WHERE campaign_id = c.id), 0),
    coalesce((SELECT extract(epoch FROM max(updated_at)) FROM constraints_constraint WHERE campaign_id = c.id), 0),
    (SELECT concat_ws('/', sum(hit_count), sum(alarm_count), sum(miss_count)) FROM constraints_check AS life
     JOIN constraints_constraint AS k ON k.id = life.constraint_id WHERE k.campaign_id = c.id))
FROM campaigns_campaign AS c
WHERE (%(campaign)s::bigint IS NULL OR c.id = %(campaign)s)
  AND EXISTS (SELECT FROM constraints_constraint WHERE campaign_id = c.id)
ORDER BY c.id
"""


def _counted(campaign_id: int) -> tuple[str, ...]:
    people = Judgment.objects.filter(campaign=campaign_id, is_current=True, annotator__kind__in=judges.PEOPLE)
    is_of_people = people.exclude(output__batch__purpose=ImportBatch.Purpose.GOLD).exists()
    return judges.PEOPLE if is_of_people else judges.PROGRAMS


def _checks(campaign_id: int) -> dict[int, scorecard.Check]:
    lives = Check.objects.filter(constraint__campaign=campaign_id, weighed_at__isnull=False)
    return {
        each.constraint_id: scorecard.Check(
            precision=(each.hit_count, each.hit_count + each.alarm_count),
            recall=(each.hit_count, each.hit_count + each.miss_count),
        )
        for each in lives.exclude(state=Check.State.RETIRED)
    }


def _store(campaign_id: int, cards: Mapping[int, scorecard.Card], now: datetime) -> None:
    Scorecard.objects.filter(constraint__campaign=campaign_id).exclude(constraint__in=list(cards)).delete()
    Scorecard.objects.bulk_create(
        (
            Scorecard(constraint_id=pk, figures=asdict(card), verdicts=card.verdicts(), measured_at=now)
            for pk, card in sorted(cards.items())
        ),
        batch_size=200,
        update_conflicts=True,
        unique_fields=["constraint"],
        update_fields=["figures", "verdicts", "measured_at"],
    )
