"""A campaign's judgments, streamed into the figures of its convergence. Called by the sweep, never by a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.db import connection

from annotate.campaigns import queries as campaign_queries
from annotate.campaigns.models import Campaign, Tag
from annotate.constraints.convergence import counts, probing, sql
from annotate.constraints.convergence.counts import Mark, Reviewed
from annotate.constraints.convergence.models import Probe
from annotate.constraints.models import Constraint
from annotate.quality.judges import PEOPLE

ROWS_AT_ONCE = 2000
SLICES_SHOWN = 20
"""Slices of a kind whose figures are kept, the largest first."""

Lineage = Mapping[int, Sequence[int]]
Row = tuple[Any, ...]


def figures(*, campaign: Campaign, probe: Probe | None) -> dict[str, Any]:
    """Return everything a page shows, as JSON. One pass over the campaign's reviewed outputs, one over the probe."""
    lineage, differ = lineage_of(campaign), _kinds_differ(campaign)
    ledger, loose = counts.Ledger(), Counter[str]()
    for row in rows(campaign=campaign, kinds_differ=differ):
        loose[row[7] or "reviewed"] += 1
        if row[7]:
            continue
        loose["ungrouped"] += row[12]
        loose["residual"] += row[13]
        ledger.add(_reviewed(row, lineage))
    programs, undecided = _fetch_one(sql.UNDECIDED, campaign)
    [skipped] = _fetch_one(sql.SKIPPED, campaign)
    [joined] = _fetch_one(sql.JOINED, campaign)
    left_out = {"programs": programs, "undecided": undecided, "skipped": skipped}
    return {
        "slices": _slices(ledger),
        "unsliced": dict(ledger.unsliced),
        "counted": {"judgments": ledger.judgments, "imported": ledger.imported, "other": ledger.other},
        "kinds_differ": differ,
        "ungrouped": loose["ungrouped"],
        "residual": loose["residual"],
        "joined": joined,
        "left_out": left_out | {reason: loose[reason] for reason in ("gold", "evaluate", "priority")},
        "probe": None if probe is None else _contraction(campaign, probe, lineage),
    }


def rows(*, campaign: Campaign, kinds_differ: bool, outputs: Sequence[int] | None = None) -> Iterator[Row]:
    """Stream the outputs people have decided on, in the order of their first judgments. Needs a transaction."""
    arguments: dict[str, Any] = {
        "campaign": campaign.pk,
        "people": list(PEOPLE),
        "kinds_differ": kinds_differ,
        "outputs": None if outputs is None else list(outputs),
    }
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql.REVIEWED, arguments)
        while chunk := cursor.fetchmany(ROWS_AT_ONCE):
            yield from chunk


def lineage_of(campaign: Campaign) -> dict[int, list[int]]:
    """Return, for each constraint that ever was, itself and what it was merged into."""
    merged = Constraint.objects.filter(campaign=campaign).values_list("id", "merged_into")
    return counts.lineages(dict(merged))


def _kinds_differ(campaign: Campaign) -> bool:
    """Whether "other" says anything as a kind: imported tags are all of that kind until somebody sorts them."""
    return campaign_queries.current_tag_set(campaign=campaign).tags.exclude(kind=Tag.Kind.OTHER).exists()


def _reviewed(row: Row, lineage: Lineage) -> Reviewed:
    return Reviewed(
        model=row[3],
        batch=f"{row[5]} ({row[4]})",
        language=row[6],
        marks=_marks(row, lineage),
        decided=row[1],
        has_other=row[11],
        is_imported=row[2],
    )


def _marks(row: Row, lineage: Lineage) -> list[Mark]:
    """An origin counts only while merges lead from it to where the violation is: a person may have moved it since."""
    merged, origins, annotators = (each or [] for each in row[8:11])
    return [
        Mark(merged=now, separate=was if was is not None and now in lineage.get(was, ()) else now, annotator=annotator)
        for now, was, annotator in zip(merged, origins, annotators, strict=True)
    ]


def _slices(ledger: counts.Ledger) -> list[dict[str, Any]]:
    kept = []
    for kind in (counts.ALL, *counts.KINDS):
        tallies = [(value, tally) for (each, value), tally in ledger.slices.items() if each == kind]
        tallies.sort(key=lambda found: (-found[1].units, found[0]))
        kept += [_slice(kind, value, tally) for value, tally in tallies[:SLICES_SHOWN]]
    return kept


def _slice(kind: str, value: str, tally: counts.Tally) -> dict[str, Any]:
    is_merged = tally.merged.counts != tally.separate.counts
    return {
        "kind": kind,
        "value": value,
        "units": tally.units,
        "merged": _sight(tally, tally.merged),
        "separate": _sight(tally, tally.separate) if is_merged else None,
        "fresh": asdict(counts.fresh(tally)),
    }


def _sight(tally: counts.Tally, sight: counts.Sight) -> dict[str, Any]:
    frequencies = tally.incidence(sight).frequencies
    return {"frequencies": [[j, count] for j, count in frequencies.items()], "curve": counts.curve(tally, sight)}


def _contraction(campaign: Campaign, probe: Probe, lineage: Lineage) -> dict[str, Any]:
    judged = rows(campaign=campaign, kinds_differ=False, outputs=probe.output_ids)
    people = ((_marks(row, lineage), row[1]) for row in judged)
    return probing.figures(campaign=campaign, probe=probe, people=people, lineage=lineage)


def _fetch_one(statement: str, campaign: Campaign) -> Row:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"campaign": campaign.pk, "people": list(PEOPLE)})
        row: Row = cursor.fetchone()
    return row
