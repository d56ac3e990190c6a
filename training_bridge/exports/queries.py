"""What other rooms and doors read of dataset versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Max, Q, QuerySet

from annotate.campaigns.models import Campaign
from annotate.constraints.models import ConstraintSet
from annotate.errors import NotFound
from annotate.judgments.models import Judgment
from training_bridge.exports import building
from training_bridge.exports import options as dataset_options
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest

STALE = timedelta(seconds=60)
"""A builder that has not been heard of for so long is taken for dead."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a version would hold if it were requested now."""

    counts: Mapping[str, Any]
    warnings: list[str]


def of_campaign(*, campaign: Campaign) -> QuerySet[DatasetVersion]:
    return DatasetVersion.objects.filter(campaign=campaign).select_related("constraint_set", "requested_by", "campaign")


def dataset(*, campaign: Campaign, version: int) -> DatasetVersion:
    """Return one version of the campaign. Raises NotFound."""
    found = of_campaign(campaign=campaign).filter(version=version).first()
    if found is None:
        raise NotFound(f"This campaign has no dataset version {version}.")
    return found


def files(dataset: DatasetVersion) -> list[Path]:
    """Return the version's files, the manifest last; none before it is ready. Their names are the only ones served."""
    if dataset.state != DatasetVersion.State.READY:
        return []
    names = [*sorted(dataset.manifest.get("files", {})), manifest.NAME]
    return [Path(dataset.folder) / name for name in names if (Path(dataset.folder) / name).is_file()]


def file(*, dataset: DatasetVersion, name: str) -> Path:
    """Return one of the version's files by its exact name. Raises NotFound for any other name."""
    for path in files(dataset):
        if path.name == name:
            return path
    raise NotFound(f"Dataset version {dataset.version} has no file of this name; it has none before it is ready.")


def waiting_ids(*, now: datetime) -> list[int]:
    """Return the versions nobody is building: just requested, or left behind by a builder that died."""
    waiting = Q(state=DatasetVersion.State.REQUESTED) | Q(
        state=DatasetVersion.State.BUILDING, heartbeat_at__lt=now - STALE
    )
    return list(DatasetVersion.objects.filter(waiting).order_by("id").values_list("id", flat=True))


def last_judgment_id(*, campaign: Campaign) -> int:
    return Judgment.objects.filter(campaign=campaign).aggregate(last=Max("id"))["last"] or 0


def preview(
    *, campaign: Campaign, constraint_set: ConstraintSet, format: str, options: Mapping[str, Any] | None = None
) -> Preview:
    """Count what a version requested now would hold. Reads every judgment of the campaign, no text."""
    wanted = dataset_options.parse(options)
    sketch = DatasetVersion(
        campaign=campaign,
        constraint_set=constraint_set,
        format=format,
        last_judgment_id=last_judgment_id(campaign=campaign),
    )
    found = building.survey(sketch, wanted, on_progress=lambda done, total: None)
    return Preview(counts=building.counts(found), warnings=building.warnings(sketch, found))
