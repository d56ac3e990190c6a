"""Every write of prompts, outputs and batches. What happens to a whole file is told in judgments.imports."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.errors import RuleError
from annotate.intake import detect, sql
from annotate.intake.models import ImportBatch, RefusedLine
from annotate.intake.records import Record

REFUSED_KEPT = 1000
ATTEMPTS = 5
BATCH_LOCK = 0x696E7431
CAMPAIGN_LOCK = 0x696E7432


class FileRefused(RuleError):
    """The file as a whole cannot be imported; the message says what it is."""


class Overtaken(Exception):
    """Another process has moved this batch on. What the caller has in hand is stored already, or will be."""


@dataclass(frozen=True, slots=True)
class Refusal:
    line: int
    reason: str
    excerpt: str = ""
    is_output_stored: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """`output_ids[i]` is the output of record i, or None where another text has its id already.

    `is_gold[i]` says whether that output came in a batch of known errors, this one or an earlier one.
    """

    output_ids: list[int | None]
    is_gold: list[bool]
    new_ids: list[int]


@dataclass(kw_only=True, slots=True)
class Tally:
    """What one chunk adds to the counts of its batch."""

    new: int = 0
    known: int = 0
    refused: int = 0
    judgments: int = 0
    refused_annotations: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def create_batch(  # noqa: PLR0913 - each is a fact of the delivery
    *,
    campaign: Campaign,
    source: str,
    name: str,
    path: str | Path,
    by: User | None,
    now: datetime,
    purpose: str = "annotate",
    namespace: str = "",
    make_tags: bool = False,
) -> ImportBatch:
    """Note a file to be imported. It must stay where it is until the import is done; an uploaded one is deleted then.

    The namespace defaults to the file's name without its endings. Raises FileRefused for a file of no accepted kind.
    """
    path = Path(path).absolute()
    try:
        detect.detect(path, name)
    except detect.Unreadable as error:
        discard(path)
        raise FileRefused(f"{name}: {error}.", field="file") from error
    return ImportBatch.objects.create(
        campaign=campaign,
        source=source,
        purpose=purpose,
        name=name[-255:],
        path=str(path),
        namespace=(namespace or Path(name).name.split(".")[0] or "file")[:100],
        make_tags=make_tags,
        bytes_total=path.stat().st_size,
        created_by=by,
        created_at=now,
        updated_at=now,
    )


@contextlib.contextmanager
def claimed(*, batch_id: int, now: datetime) -> Iterator[ImportBatch | None]:
    """Hold the batch for this process; None when it is finished or somebody else has it.

    An advisory lock of the database session holds it, so that a killed process lets go at once. The transaction of
    each chunk checks the position besides (see `take`): even a lock that is lost unnoticed cannot store anything twice.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.TRY_LOCK, [BATCH_LOCK, batch_id % 2**31])
        [is_mine] = cursor.fetchone()
    if not is_mine:
        yield None
        return
    try:
        yield _begun(batch_id, now)
    finally:
        # A broken connection has let go of the lock by itself.
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(sql.UNLOCK, [BATCH_LOCK, batch_id % 2**31])


@transaction.atomic
def take(*, batch: ImportBatch) -> None:
    """Lock the batch's row until the transaction ends, and the campaign's intake against other batches.

    Raises Overtaken when the batch does not stand where the caller thinks it does.
    """
    stands = ImportBatch.objects.select_for_update().filter(pk=batch.pk).values_list("line", "bytes_read", "state")
    if stands.first() != (batch.line, batch.bytes_read, ImportBatch.State.RUNNING):
        raise Overtaken(f"batch {batch.pk} has moved on")
    with connection.cursor() as cursor:
        cursor.execute(sql.WAIT_FOR_TURN, [CAMPAIGN_LOCK, batch.campaign_id % 2**31])


@transaction.atomic
def store(*, batch: ImportBatch, records: Sequence[Record], now: datetime) -> Stored:
    """Store what is new of the records' prompts and outputs. Inside the transaction of `take`; seven statements."""
    names: dict[str, Any] = {"campaign": batch.campaign_id, "batch": batch.pk, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(sql.STAGING)
        cursor.execute(sql.EMPTY_STAGING)
        with connection.wrap_database_errors, cursor.copy(sql.COPY_STAGING) as copy:
            for place, record in enumerate(records):
                copy.write_row(_staged(place, record))
        cursor.execute(sql.INSERT_PROMPTS, names)
        cursor.execute(sql.INSERT_OUTPUTS, names)
        new_ids = [output_id for (output_id,) in cursor.fetchall()]
        if any(record.twins for record in records):
            cursor.execute(sql.ADD_TWINS, names)
        cursor.execute(sql.STORED, names)
        stored = cursor.fetchall()
    return Stored(
        output_ids=[output_id if is_same else None for _, output_id, is_same, _ in stored],
        is_gold=[is_gold for _, _, _, is_gold in stored],
        new_ids=new_ids,
    )


@transaction.atomic
def advance(*, batch: ImportBatch, line: int, bytes_read: int, tally: Tally, now: datetime) -> None:
    """Move the batch's position and counts, and keep the refusals while there is room. Updates `batch` too."""
    room = REFUSED_KEPT - batch.refused_lines.count() if tally.refusals else 0
    RefusedLine.objects.bulk_create(
        RefusedLine(
            batch=batch,
            line=each.line,
            reason=each.reason[:500],
            excerpt=each.excerpt[:200],
            is_output_stored=each.is_output_stored,
        )
        for each in tally.refusals[: max(0, room)]
    )
    batch.line, batch.bytes_read, batch.updated_at, batch.attempt_count = line, bytes_read, now, 0
    batch.new_count += tally.new
    batch.known_count += tally.known
    batch.refused_count += tally.refused
    batch.judgment_count += tally.judgments
    batch.refused_annotation_count += tally.refused_annotations
    batch.save()


@transaction.atomic
def finish(*, batch: ImportBatch, now: datetime, reason: str = "") -> None:
    """End the import: done, or failed with a reason. An uploaded file is deleted once that is committed."""
    ended = ImportBatch.objects.filter(pk=batch.pk, state=ImportBatch.State.RUNNING)
    state = ImportBatch.State.FAILED if reason else ImportBatch.State.DONE
    batch.state, batch.reason, batch.updated_at, batch.done_at = state, reason, now, now
    if not reason:
        batch.bytes_read = batch.bytes_total
    if ended.update(state=state, reason=reason, updated_at=now, done_at=now, bytes_read=batch.bytes_read):
        transaction.on_commit(lambda: discard(Path(batch.path)))


def discard(path: Path) -> None:
    """Delete a file of the uploads folder; a file anywhere else is its owner's and stays."""
    if path.is_relative_to(settings.UPLOADS):
        path.unlink(missing_ok=True)


@transaction.atomic
def _begun(batch_id: int, now: datetime) -> ImportBatch | None:
    batch = ImportBatch.objects.select_for_update(of=("self",)).select_related("campaign").filter(pk=batch_id).first()
    if batch is None or batch.state in (ImportBatch.State.DONE, ImportBatch.State.FAILED):
        return None
    if batch.attempt_count >= ATTEMPTS:
        batch.state = ImportBatch.State.RUNNING
        batch.save(update_fields=["state"])
        reason = (
            f"It stopped {ATTEMPTS} times behind line {batch.line:,} without getting further. See the server's log."
        )
        finish(batch=batch, now=now, reason=reason)
        return None
    ImportBatch.objects.filter(pk=batch_id).update(
        state=ImportBatch.State.RUNNING,
        started_at=batch.started_at or now,
        updated_at=now,
        attempt_count=F("attempt_count") + 1,
    )
    batch.refresh_from_db(fields=["state", "started_at", "updated_at", "attempt_count"])
    return batch


def _staged(place: int, record: Record) -> tuple[object, ...]:
    return (
        place,
        record.prompt_sha256,
        record.prompt,
        json.dumps(record.messages, ensure_ascii=False),
        json.dumps(record.twins, ensure_ascii=False),
        record.content_key,
        record.output,
        record.output_sha256,
        record.external_id,
        record.model,
        json.dumps(record.meta, ensure_ascii=False),
    )
