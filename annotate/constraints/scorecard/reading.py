# ruff: noqa: S608 - the parts put together here are written here
"""A campaign's judgments, read into the counts from which scorecards are made."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from annotate.constraints.scorecard import tally as scorecard_tally
from annotate.constraints.scorecard.models import Scoring
from annotate.intake.models import ImportBatch
from annotate.judgments.models import Judgment

PARTS_AT_MOST = 20
"""Imports, models or languages told apart, those with the most outputs; the others are one more part."""
WINDOWS = 4
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


def tallied(campaign_id: int, place: Scoring, constraint_ids: Sequence[int]) -> scorecard_tally.Tally:
    """Read the campaign's blind judgments once into a narrow table of judged outputs, and stream that."""
    arguments = _arguments(campaign_id, place, constraint_ids, is_assisted=False)
    with connection.cursor() as cursor:
        _judge(cursor, arguments)
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


def assisted(campaign_id: int, place: Scoring, constraint_ids: Sequence[int]) -> scorecard_tally.Tally:
    """Count the judgments of those who were shown what checks found, undivided. One look where there are none."""
    tally = scorecard_tally.Tally()
    arguments = _arguments(campaign_id, place, constraint_ids, is_assisted=True)
    if not Judgment.objects.filter(campaign=campaign_id, is_current=True, is_assisted=True).exists():
        place.assisted_count = 0
        return tally
    with connection.cursor() as cursor:
        _judge(cursor, arguments)
        cursor.execute("SELECT coalesce(sum(votes + cannot), 0) FROM scoring_judged")
        (place.assisted_count,) = cursor.fetchone()
    for votes, cannot, ids, yes, *_ in _stream(_SEEN, arguments):
        tally.add(votes=votes, cannot=cannot, seen=zip(ids or (), yes or (), strict=True))
    return tally


def _arguments(
    campaign_id: int, place: Scoring, constraint_ids: Sequence[int], *, is_assisted: bool
) -> dict[str, object]:
    which = {"campaign": campaign_id, "kinds": place.counted, "is_assisted": is_assisted}
    return {**which, "constraints": list(constraint_ids)}


def _judge(cursor: Any, arguments: Mapping[str, Any]) -> None:
    """Make the narrow table of judged outputs."""
    cursor.execute("DROP TABLE IF EXISTS pg_temp.scoring_judged")
    cursor.execute(_JUDGED, arguments)
    cursor.execute("ANALYZE scoring_judged")


_CURRENT = """
judgments_judgment AS j
JOIN accounts_user AS u ON u.id = j.annotator_id AND u.kind = ANY(%(kinds)s) AND j.is_assisted = %(is_assisted)s
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


def _division(name: str, labels: Sequence[str]) -> scorecard_tally.Division:
    return scorecard_tally.Division(name=name, labels=[*labels, "others"])


def _stretches(edges: Sequence[str], beyond: str) -> list[str]:
    """Name the parts by the upper ends of all but the last one."""
    if not edges:
        return ["all"]
    return [f"up to {edge}" for edge in edges] + [f"{beyond} {edges[-1]}"]
