# ruff: noqa: S608 - the parts put together here are written here
"""Scorecards measured from judgments, by a sweep. Pages read what was last measured.

Answers in verify mode are kept by a room above this one, so they are handed in.
"""

from __future__ import annotations

import bisect
import heapq
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet

from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import Check
from annotate.constraints.models import Constraint
from annotate.constraints.scorecard import measures as scorecard
from annotate.constraints.scorecard import tally as scorecard_tally
from annotate.constraints.scorecard.models import Scorecard, Scoring
from annotate.intake.models import ImportBatch
from annotate.judgments.models import Judgment
from annotate.quality import judges

MEASURED = (Constraint.State.ACCEPTED, Constraint.State.CANDIDATE)
PARTS_AT_MOST = 20
"""Imports, models or languages told apart, those with the most outputs; the others are one more part."""
WINDOWS = 4
REST_AT_LEAST, REST_TIMES = timedelta(minutes=1), 20
"""A campaign is left alone after a measurement: for so long, and for so many times what it took."""
ROWS_AT_ONCE = 5000


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one output lies: the values that the divisions ask for."""

    batch: int
    model: str
    language: str
    length: int
    at: datetime


class Divisions:
    """The ways to divide a campaign's outputs, drawn from the outputs that were judged."""

    def __init__(self, judged: Mapping[str, Sequence[Any]], edges: tuple[Sequence[int], Sequence[datetime]]) -> None:
        self._values = {name: {value: at for at, value in enumerate(values)} for name, values in judged.items()}
        self._lengths, self._times = sorted(set(edges[0])), sorted(set(edges[1]))
        names = dict(ImportBatch.objects.filter(pk__in=judged["batch"]).values_list("pk", "name"))
        self.divisions = [
            _division("import", [f"{names.get(value, '')} ({value})" for value in judged["batch"]]),
            _division("model", [value or "not said" for value in judged["model"]]),
            _division("language", [value or "not said" for value in judged["language"]]),
            scorecard_tally.Division(
                name="length", labels=_stretches([f"{each:,} bytes" for each in self._lengths], "more than")
            ),
            scorecard_tally.Division(
                name="time", labels=_stretches([f"{at:%Y-%m-%d %H:%M}" for at in self._times], "after")
            ),
        ]

    def parts(self, place: Place) -> list[int | None]:
        named = [("batch", place.batch), ("model", place.model), ("language", place.language)]
        values = [self._values[name].get(value, len(self._values[name])) for name, value in named]
        lengths, times = bisect.bisect_left(self._lengths, place.length), bisect.bisect_left(self._times, place.at)
        return [*values, lengths, times]


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
    tally = _tallied(campaign_id, place, ids)
    cards = scorecard_tally.cards(
        tally, constraints=ids, verified=scorecard_tally.verified(answered), checks=_checks(campaign_id)
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


def _tallied(campaign_id: int, place: Scoring, constraint_ids: Sequence[int]) -> scorecard_tally.Tally:
    """Read the campaign's judgments once into a narrow table of judged outputs, and stream that."""
    arguments = {"campaign": campaign_id, "kinds": place.counted, "constraints": list(constraint_ids)}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.scoring_judged")
        cursor.execute(_JUDGED, arguments)
        cursor.execute("ANALYZE scoring_judged")
        cursor.execute(
            "SELECT count(*), coalesce(sum(votes + cannot), 0), coalesce(sum(cannot), 0) FROM scoring_judged"
        )
        place.output_count, place.judgment_count, place.cannot_tell_count = cursor.fetchone()
        divisions = Divisions(_values(cursor), _edges(cursor))
    tally = scorecard_tally.Tally(divisions=divisions.divisions)
    for votes, cannot, ids, yes, *values in _stream(_SEEN, arguments):
        parts = divisions.parts(Place(**dict(zip(Place.__annotations__, values, strict=True))))
        tally.add(votes=votes, cannot=cannot, seen=zip(ids or (), yes or (), strict=True), parts=parts)
    return tally


_CURRENT = """
judgments_judgment AS j JOIN accounts_user AS u ON u.id = j.annotator_id AND u.kind = ANY(%(kinds)s)
"""

_JUDGED = f"""
CREATE TEMPORARY TABLE scoring_judged ON COMMIT DROP AS
SELECT o.id AS output_id, v.votes, v.cannot, o.batch_id AS batch, o.model,
       coalesce(o.meta->>'lang', o.meta->>'language', '') AS language, octet_length(o.text) AS length, v.at
FROM (
    SELECT j.output_id, count(*) FILTER (WHERE j.verdict <> 'cannot_tell') AS votes,
           count(*) FILTER (WHERE j.verdict = 'cannot_tell') AS cannot, max(j.created_at) AS at
    FROM {_CURRENT} WHERE j.campaign_id = %(campaign)s AND j.is_current GROUP BY 1
) AS v
JOIN intake_output AS o ON o.id = v.output_id
JOIN intake_importbatch AS b ON b.id = o.batch_id AND b.purpose <> 'gold'
"""

_SEEN = f"""
SELECT s.votes, s.cannot, h.ids, h.yes, s.batch, s.model, s.language, s.length, s.at
FROM scoring_judged AS s LEFT JOIN (
    SELECT output_id, array_agg(constraint_id) AS ids, array_agg(yes) AS yes FROM (
        SELECT j.output_id, m.constraint_id, count(DISTINCT j.id) AS yes
        FROM constraints_member AS m
        JOIN judgments_violation AS v ON v.id = m.violation_id
        JOIN {_CURRENT} ON j.id = v.judgment_id
        WHERE m.constraint_id = ANY(%(constraints)s) AND j.campaign_id = %(campaign)s AND j.is_current
          AND j.verdict <> 'cannot_tell'
        GROUP BY 1, 2
    ) AS each GROUP BY 1
) AS h USING (output_id)
"""


def _values(cursor: Any) -> dict[str, list[Any]]:
    """Return the imports, models and languages with the most outputs."""
    cursor.execute(
        "SELECT grouping(batch, model, language), batch, model, language, count(*) FROM scoring_judged WHERE votes > 0 "
        "GROUP BY GROUPING SETS ((batch), (model), (language)) ORDER BY 1, 2, 3, 4"
    )
    found: dict[str, list[tuple[int, Any]]] = {"batch": [], "model": [], "language": []}
    for which, batch, model, language, count in cursor:
        name, value = {3: ("batch", batch), 5: ("model", model), 6: ("language", language)}[which]
        heapq.heappush(found[name], (count, value))
        if len(found[name]) > PARTS_AT_MOST:
            heapq.heappop(found[name])
    return {name: [value for _, value in sorted(kept, reverse=True)] for name, kept in found.items()}


def _edges(cursor: Any) -> tuple[list[int], list[datetime]]:
    """Return the upper ends of all but the last part, of thirds by length and of windows by time."""
    cursor.execute(
        "SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY length), percentile_disc(%s) WITHIN GROUP (ORDER BY at) "
        "FROM scoring_judged WHERE votes > 0",
        [[1 / 3, 2 / 3], [each / WINDOWS for each in range(1, WINDOWS)]],
    )
    lengths, times = cursor.fetchone()
    return lengths or [], times or []


def _stream(statement: str, arguments: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement, arguments)
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield from rows


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


def _division(name: str, labels: Sequence[str]) -> scorecard_tally.Division:
    return scorecard_tally.Division(name=name, labels=[*labels, "others"])


def _stretches(edges: Sequence[str], beyond: str) -> list[str]:
    """Name the parts by the upper ends of all but the last one."""
    if not edges:
        return ["all"]
    return [f"up to {edge}" for edge in edges] + [f"{beyond} {edges[-1]}"]
