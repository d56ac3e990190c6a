"""What the sets leave of the probe set, read from people's judgments and from what frozen checks said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import connection

from annotate.campaigns.models import Campaign
from annotate.constraints.checks.models import CheckVersion
from annotate.constraints.convergence import contraction, counts, sql
from annotate.constraints.convergence.contraction import Revision
from annotate.constraints.convergence.counts import Mark
from annotate.constraints.convergence.models import Probe
from annotate.constraints.models import SetEntry

REVISIONS_SHOWN = 60
VERSIONS_AT_ONCE = 200

People = Iterable[tuple[Sequence[Mark], int]]
"""Of each output that people judged: what they marked, and how many decided."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one check version said of the probe so far: of how many outputs, and which of them it marked."""

    count: int = 0
    marked: Sequence[int] = field(default_factory=list)


def figures(
    *, campaign: Campaign, probe: Probe, people: People, lineage: Mapping[int, Sequence[int]]
) -> dict[str, Any]:
    """Return the survivors of each set as JSON: of what people judged, and of all by checks."""
    revisions, outputs = revisions_of(campaign), existing(probe)
    judged = [counts.violated(marks=marks, decided=decided, lineage=lineage) for marks, decided in people]
    by_people = contraction.by_people(revisions=revisions, outputs=judged, lineage=lineage)
    marked = _marked(revisions, outputs)
    by_checks = contraction.by_checks(revisions=revisions, marked=marked, outputs=len(outputs))
    return {
        "outputs": len(outputs),
        "judged": len(judged),
        "steps": [asdict(step) for step in by_people],
        "checks": [asdict(step) for step in by_checks],
    }


def revisions_of(campaign: Campaign) -> list[Revision]:
    """The latest sets with the constraints and frozen checks in each, the oldest first."""
    wanted = campaign.constraint_sets.order_by("-revision").values_list("id", "revision")[:REVISIONS_SHOWN]
    numbers = dict(wanted)
    held: dict[int, dict[int, int | None]] = {pk: {} for pk in numbers}
    entries = SetEntry.objects.filter(constraint_set__in=list(numbers)).order_by()
    for pk, constraint, version in entries.values_list("constraint_set_id", "constraint_id", "check_version_id"):
        held[pk][constraint] = version
    found = [Revision(number=numbers[pk], checks=checks) for pk, checks in held.items()]
    return sorted(found, key=lambda each: each.number)


def existing(probe: Probe) -> list[int]:
    """The probe's outputs that are still there, ascending."""
    with connection.cursor() as cursor:
        cursor.execute(sql.EXISTING, {"outputs": probe.output_ids})
        return [row[0] for row in cursor.fetchall()]


def behind(*, campaign: Campaign, probe: Probe) -> tuple[list[CheckVersion], list[int]]:
    """Return the frozen versions that have not looked at all of the probe, and the outputs of it, ascending."""
    outputs = existing(probe)
    versions = _versions(revisions_of(campaign))
    late = [version for version, looked in _looked(versions, outputs) if looked.count < len(outputs)]
    return list(CheckVersion.objects.filter(pk__in=late).defer("text").order_by("pk")), outputs


def missing(*, versions: Sequence[int], output_id: int) -> list[int]:
    """Return which of the versions have not looked at the output."""
    with connection.cursor() as cursor:
        cursor.execute(sql.MISSING, {"versions": list(versions), "output": output_id})
        return [row[0] for row in cursor.fetchall()]


def _marked(revisions: Sequence[Revision], outputs: Sequence[int]) -> dict[int, int]:
    """Of each version that looked at all outputs, those it marked as bits, the first output's the lowest."""
    bits = {output: 1 << place for place, output in enumerate(outputs)}
    return {
        version: sum(bits[output] for output in looked.marked)
        for version, looked in _looked(_versions(revisions), outputs)
        if looked.count == len(outputs)
    }


def _versions(revisions: Iterable[Revision]) -> list[int]:
    return sorted({version for each in revisions for version in each.checks.values() if version is not None})


def _looked(versions: Sequence[int], outputs: Sequence[int]) -> Iterator[tuple[int, Looked]]:
    for start in range(0, len(versions), VERSIONS_AT_ONCE):
        portion = versions[start : start + VERSIONS_AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(sql.LOOKED, {"versions": list(portion), "outputs": list(outputs)})
            for version, count, marked in cursor.fetchall():
                yield version, Looked(count=count, marked=marked or [])
