"""An approved set as the constitution it is written as."""

from __future__ import annotations

from datetime import UTC

from django.db import connection

from annotate.constraints.checks.models import CheckVersion
from annotate.constraints.constitution import document as constitution
from annotate.constraints.models import ConstraintSet
from annotate.errors import NotFound


def document(*, constraint_set: ConstraintSet) -> constitution.Document:
    """Return a set with what supports each principle, and the version of its check that was frozen with it."""
    supports = _supports(constraint_set)
    principles = [
        constitution.Principle(
            number=0,
            id=each.constraint_id,
            statement=each.statement,
            tag=each.tag_slug,
            kind=each.kind,
            support=supports[each.pk],
            check=None if each.check_version is None else _check(each.check_version),
        )
        for each in constraint_set.entries.select_related("check_version")
    ]
    return constitution.Document(
        campaign=constraint_set.campaign.slug,
        revision=constraint_set.revision,
        sha256=constraint_set.sha256,
        approved_at=constraint_set.approved_at.astimezone(UTC).isoformat(timespec="seconds"),
        principles=constitution.numbered(principles),
    )


def written(*, constraint_set: ConstraintSet, form: str) -> tuple[bytes, str]:
    """Return the bytes of a set in a form ("json", "yaml" or "md") and their media type. Raises NotFound."""
    if form not in constitution.WRITERS:
        raise NotFound("A constitution is written as json, yaml or md.")
    write, media_type = constitution.WRITERS[form]
    return write(document(constraint_set=constraint_set)), media_type


def _supports(constraint_set: ConstraintSet) -> dict[int, constitution.Support]:
    with connection.cursor() as cursor:
        cursor.execute(_SUPPORT, [constraint_set.pk])
        return {entry: constitution.Support(*counts) for entry, *counts in cursor.fetchall()}


_SUPPORT = """
SELECT e.id, count(v.id), count(DISTINCT j.output_id), count(DISTINCT j.annotator_id)
FROM constraints_setentry e
LEFT JOIN constraints_setentry_violations ev ON ev.setentry_id = e.id
LEFT JOIN judgments_violation v ON v.id = ev.violation_id
LEFT JOIN judgments_judgment j ON j.id = v.judgment_id
WHERE e.constraint_set_id = %s GROUP BY e.id
"""


def _check(version: CheckVersion) -> dict[str, object]:
    return {"version": version.number, "sha256": version.sha256, "declared": version.declared}
