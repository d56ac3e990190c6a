"""Request and build dataset versions.

requested -> building -> ready | failed. A ready version never changes: a database trigger refuses it, too.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Max, Q

from annotate.accounts import actions as account_actions
from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.constraints.models import ConstraintSet
from annotate.errors import OutsideError, RuleError
from training_bridge.exports import builders, building, queries
from training_bridge.exports import options as dataset_options
from training_bridge.exports.models import DatasetVersion
from training_bridge.formats import manifest

MOST_ATTEMPTS = 5
BEAT = timedelta(seconds=1)

State = DatasetVersion.State


class CannotRequest(RuleError):
    """The format is unknown, or the constraint set is another campaign's."""


class AlreadyReady(RuleError):
    """A ready version never changes."""


class DiskRefused(OutsideError):
    """The files could not be written. The sweep tries again; the version says so."""


class _NothingToWrite(RuleError):
    """The judgments give no row."""


class _ClaimLost(Exception):
    """Somebody else builds this version now."""


@transaction.atomic
def request(
    *,
    campaign: Campaign,
    constraint_set: ConstraintSet,
    format: str,
    by: User | None,
    now: datetime,
    options: Mapping[str, Any] | None = None,
) -> DatasetVersion:
    """Ask for the campaign's next dataset version, of all judgments made so far.

    Waits a moment for judgments that are just being stored (the table is locked against writing until this commits,
    which is at once), so that "up to judgment N" is the same set of judgments for ever.
    """
    if format not in builders.FORMATS:
        raise CannotRequest(f"There is no format “{format}”; there are {', '.join(builders.FORMATS)}.", field="format")
    if constraint_set.campaign_id != campaign.pk:
        raise CannotRequest("Choose an approved constraint set of this campaign.", field="constraint_set")
    checked = dataset_options.parse(options)
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE judgments_judgment IN SHARE MODE")
    Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    last = DatasetVersion.objects.filter(campaign=campaign).aggregate(last=Max("version"))["last"] or 0
    made = DatasetVersion.objects.create(
        campaign=campaign,
        constraint_set=constraint_set,
        version=last + 1,
        format=format,
        options=checked.as_json(),
        last_judgment_id=queries.last_judgment_id(campaign=campaign),
        requested_by=by,
        requested_at=now,
    )
    detail = {"version": made.version, "format": format, "constraint_set": constraint_set.revision}
    account_actions.record(actor=by, verb="request dataset", subject=f"dataset {made.pk}", now=now, detail=detail)
    return made


def build(*, dataset_id: int, clock: Callable[[], datetime]) -> DatasetVersion:
    """Build a version that waits; return it as it then is. May be called twice, at once, or after a builder died.

    Claims the row, writes a folder beside the final one, and renames it: a version is there whole or not at all.
    Several short transactions. Raises DiskRefused when the world failed; the claim then lapses and is tried again.
    """
    claim = _claim(dataset_id, clock())
    if claim is not None:
        dataset = DatasetVersion.objects.select_related("campaign", "constraint_set").get(pk=dataset_id)
        try:
            _build(dataset, claim, clock)
        except _NothingToWrite as error:
            _fail(dataset_id, claim, error.message)
        except _ClaimLost:
            pass
        except OSError as error:
            _raise_unless_lost(dataset_id, claim, error)
    return DatasetVersion.objects.select_related("campaign", "constraint_set").get(pk=dataset_id)


@transaction.atomic
def retry(*, dataset: DatasetVersion, by: User | None, now: datetime) -> DatasetVersion:
    """Let a failed version be built again. Raises AlreadyReady for a ready one; anything else waits anyway."""
    found = DatasetVersion.objects.select_for_update().get(pk=dataset.pk)
    if found.state == State.READY:
        raise AlreadyReady(f"Dataset version {found.version} is ready and never changes. Request a new version.")
    if found.state == State.FAILED:
        found.state, found.reason, found.attempt, found.claim = State.REQUESTED, "", 0, None
        found.save(update_fields=["state", "reason", "attempt", "claim"])
        account_actions.record(actor=by, verb="retry dataset", subject=f"dataset {found.pk}", now=now)
    return found


def folder_of(dataset: DatasetVersion) -> Path:
    return Path(settings.DATASETS) / dataset.campaign.slug / f"v{dataset.version}"


def _claim(dataset_id: int, now: datetime) -> uuid.UUID | None:
    """Take the row by one conditional update. None when somebody holds it, it is done, or it was tried too often."""
    claim = uuid.uuid4()
    free = Q(state=State.REQUESTED) | Q(state=State.BUILDING, heartbeat_at__lt=now - queries.STALE)
    waiting = DatasetVersion.objects.filter(free, pk=dataset_id)
    tired = waiting.filter(attempt__gte=MOST_ATTEMPTS).update(
        state=State.FAILED,
        claim=None,
        reason=f"Its builder stopped {MOST_ATTEMPTS} times without a word (out of memory, or disk full?). "
        "See the worker's log, then try again.",
    )
    taken = not tired and waiting.update(
        state=State.BUILDING,
        claim=claim,
        attempt=F("attempt") + 1,
        heartbeat_at=now,
        rows_done=0,
        rows_total=None,
        reason="",
    )
    return claim if taken else None


def _build(dataset: DatasetVersion, claim: uuid.UUID, clock: Callable[[], datetime]) -> None:
    options = dataset_options.parse(dataset.options)
    beat = _Beat(dataset.pk, claim, clock)
    found = building.survey(dataset, options, on_progress=beat)
    if found.row_count == 0:
        raise _NothingToWrite(_why_empty(dataset, found))
    final = folder_of(dataset)
    temporary = final.with_name(f".{final.name}.{claim}")
    _sweep_away(final)
    temporary.mkdir(parents=True)
    sha256 = building.write(dataset, options, temporary, found, on_progress=beat)
    _finish(dataset, claim, temporary=temporary, final=final, sha256=sha256, now=clock())


@transaction.atomic
def _finish(
    dataset: DatasetVersion, claim: uuid.UUID, *, temporary: Path, final: Path, sha256: str, now: datetime
) -> None:
    """Rename the folder and say ready. Killed between the two, the next builder writes the same bytes over it."""
    mine = DatasetVersion.objects.select_for_update().filter(pk=dataset.pk, claim=claim, state=State.BUILDING).first()
    if mine is None:
        raise _ClaimLost
    _sync_folder(temporary)
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    _sync_folder(final.parent)
    mine.manifest = manifest.read(final) or {}
    mine.manifest_sha256, mine.folder = sha256, str(final)
    mine.state, mine.ready_at, mine.claim = State.READY, now, None
    mine.rows_done = mine.rows_total = mine.manifest["counts"]["rows"]
    mine.save()


class _Beat:
    """Stores progress at most once a second; stops a builder whose claim went to another."""

    def __init__(self, dataset_id: int, claim: uuid.UUID, clock: Callable[[], datetime]) -> None:
        self._row = DatasetVersion.objects.filter(pk=dataset_id, claim=claim, state=State.BUILDING)
        self._clock = clock
        self._next: datetime | None = None

    def __call__(self, done: int, total: int | None) -> None:
        now = self._clock()
        if self._next is not None and now < self._next:
            return
        self._next = now + BEAT
        if not self._row.update(heartbeat_at=now, rows_done=done, rows_total=total):
            raise _ClaimLost


def _why_empty(dataset: DatasetVersion, found: building.Survey) -> str:
    told = building.counts(found)
    left_out = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in told["left_out"].items() if count)
    return (
        f"No judged output gives a {builders.FORMATS[dataset.format].NAME} row with constraint set "
        f"{dataset.constraint_set.revision}: of {told['judged_outputs']} judged outputs, {left_out or 'none'}. "
        "Judge more outputs, accept and approve more constraints, or choose other options."
    ) + "".join(f" {warning}" for warning in building.warnings(dataset, found) if warning.startswith("Judgments are"))


def _fail(dataset_id: int, claim: uuid.UUID, reason: str) -> None:
    DatasetVersion.objects.filter(pk=dataset_id, claim=claim, state=State.BUILDING).update(
        state=State.FAILED, reason=reason, claim=None
    )


def _raise_unless_lost(dataset_id: int, claim: uuid.UUID, error: OSError) -> None:
    """A builder whose folder was swept away under it has lost its claim; anyone else has met the world."""
    mine = DatasetVersion.objects.filter(pk=dataset_id, claim=claim, state=State.BUILDING)
    if mine.update(reason=f"Writing failed ({error.strerror or error}); it will be tried again."):
        raise DiskRefused(f"dataset {dataset_id}: {error}") from error


def _sweep_away(final: Path) -> None:
    """Remove what dead builders of this version left behind."""
    for left in final.parent.glob(f".{final.name}.*"):
        shutil.rmtree(left, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
