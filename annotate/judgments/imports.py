"""Import a file: outputs into intake, into the queue, and the judgments that came with them. Chunk by chunk.

Each chunk is one transaction: prompts, outputs, queue items, judgments, refused lines, counts and the position in the
file. So a killed import continues behind its last chunk, and a file imported twice adds nothing: outputs are known by
their content key, and an annotator who has judged an output is not heard again on it.

External annotators are users of kind `external`, named `namespace/name`; their judgments have no lease and take no
place in the overlap. Tags are found by slug or name. With `make_tags` the missing ones are made first, in one new tag
set version, after a pass over the file; without it an annotation with an unknown tag is left out, with that reason.
The severity and span rules of tags are for people at work here and do not bind imported judgments.

A gold batch brings outputs whose errors are known: the judgments that come with them are the answers. A line of it is
taken with its whole answer or not at all, what is gold stays gold, and its answer stays what it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DataError, transaction

from annotate.campaigns import actions as campaign_actions
from annotate.campaigns import tags
from annotate.errors import RuleError
from annotate.intake import actions as intake_actions
from annotate.intake import detect, marks, readers, records, texts
from annotate.intake.actions import Refusal, Tally
from annotate.intake.models import ImportBatch
from annotate.intake.readers.row import Reader
from annotate.judgments import answers, imported_judgments, imported_lines
from annotate.judgments.imported_judgments import Judges
from annotate.judgments.imported_lines import Chunk, Item
from annotate.queue import actions as queue_actions

Clock = Callable[[], datetime]
Progress = Callable[[ImportBatch], None]


def run(*, batch_id: int, clock: Clock, on_progress: Progress | None = None) -> ImportBatch:
    """Import the batch from where it stands, calling `on_progress` after every chunk; return it as it is then.

    Returns at once when the batch is finished or another process has it. A file that cannot be read ends it as failed,
    with the reason; what was stored before stays.
    """
    with intake_actions.claimed(batch_id=batch_id, now=clock()) as batch:
        if batch is not None:
            try:
                _import(batch, clock, on_progress)
            except detect.Unreadable as error:
                intake_actions.finish(batch=batch, now=clock(), reason=_sentence(str(error)))
            except intake_actions.Overtaken:
                pass
    return ImportBatch.objects.select_related("campaign").get(pk=batch_id)


def _import(batch: ImportBatch, clock: Clock, on_progress: Progress | None) -> None:
    _check_unchanged(batch)
    if batch.make_tags and batch.line == 0:
        try:
            _make_tags(batch, clock())
        except RuleError as error:
            intake_actions.finish(
                batch=batch, now=clock(), reason=f"The file's tags could not be made. {error.message}"
            )
            return
    judges = imported_judgments.judges_of(batch)
    with _opened(batch, line=batch.line, offset=batch.bytes_read) as reader:
        for chunk in imported_lines.chunks(reader):
            _store(batch, chunk, judges, clock())
            if on_progress:
                on_progress(batch)
    intake_actions.finish(batch=batch, now=clock())
    if on_progress:
        on_progress(batch)


def _check_unchanged(batch: ImportBatch) -> None:
    path = Path(batch.path)
    if path.exists() and path.stat().st_size != batch.bytes_total:
        raise detect.Unreadable("the file has changed since its import began; import it anew")


def _opened(batch: ImportBatch, *, line: int = 0, offset: int = 0) -> Reader:
    return readers.open_file(Path(batch.path), name=batch.name, line=line, offset=offset)


def _make_tags(batch: ImportBatch, now: datetime) -> None:
    """Read the whole file for the tags it names, and add the missing ones in one new version of the tag set."""
    names: dict[str, None] = {}
    with _opened(batch) as reader:
        for row in reader:
            for name in _named_tags(row.fields or {}):
                names.setdefault(name)
    if names:
        campaign_actions.ensure_tags(campaign=batch.campaign, names=list(names), by=batch.created_by, now=now)


def _named_tags(fields: dict[str, Any]) -> Iterator[str]:
    annotations = fields.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        named = annotation.get("tags") if isinstance(annotation, dict) else None
        for tag in named if isinstance(named, list) else ():
            name = tag.get("type") if isinstance(tag, dict) else None
            if isinstance(name, str) and len(name) <= marks.MAX_TYPE and tags.slug_of(name) and _is_storable(name):
                yield name.strip()


def _is_storable(name: str) -> bool:
    try:
        texts.check(name, "type")
    except texts.Refused:
        return False
    return True


@transaction.atomic
def _store(batch: ImportBatch, chunk: Chunk, judges: Judges, now: datetime) -> None:
    """Store one chunk, whole or not at all. Raises intake_actions.Overtaken when another process was faster."""
    intake_actions.take(batch=batch)
    tally = Tally(refused=len(chunk.refusals), refusals=list(chunk.refusals))
    try:
        with _undoable(judges):
            _store_items(batch, chunk.items, judges, tally, now)
    except DataError:
        # The database refuses something that the checks let through: find the line, keep its neighbours.
        tally = Tally(refused=len(chunk.refusals), refusals=list(chunk.refusals))
        for item in chunk.items:
            _store_alone(batch, item, judges, tally, now)
    tally.refusals.sort(key=lambda refusal: refusal.line)
    intake_actions.advance(batch=batch, line=chunk.line, bytes_read=chunk.bytes_read, tally=tally, now=now)


def _store_alone(batch: ImportBatch, item: Item, judges: Judges, tally: Tally, now: datetime) -> None:
    try:
        with _undoable(judges):
            _store_items(batch, [item], judges, tally, now)
    except DataError as error:
        tally.refused += 1
        reason = f"the database cannot store it: {str(error).splitlines()[0]}"
        tally.refusals.append(Refusal(item.line, reason, texts.excerpt(item.record.output)))


@contextlib.contextmanager
def _undoable(judges: Judges) -> Iterator[None]:
    """A savepoint; annotators made inside are forgotten with it."""
    remembered = dict(judges.annotators)
    try:
        with transaction.atomic():
            yield
    except DataError:
        judges.annotators = remembered
        raise


def _store_items(batch: ImportBatch, items: Sequence[Item], judges: Judges, tally: Tally, now: datetime) -> None:
    """Store records and their judgments; count into `tally` last, so that a refused transaction counts nothing."""
    is_gold = batch.purpose == ImportBatch.Purpose.GOLD
    refusals: list[Refusal] = []
    if is_gold:
        items, refusals = _with_answers(items, judges)
    stored = intake_actions.store(batch=batch, records=[item.record for item in items], now=now)
    queue_actions.enqueue(campaign=batch.campaign, output_ids=stored.new_ids, now=now, is_gold=is_gold)
    kept, strangers = _kept(batch, items, stored)
    refusals += strangers
    left_out = {item.line: list(item.record.problems) for item, _ in kept if item.record.problems}
    judged = imported_judgments.store(batch=batch, kept=kept, judges=judges, left_out=left_out, now=now)
    tally.judgments += judged
    tally.new += len(stored.new_ids)
    tally.known += len(kept) - len(stored.new_ids)
    tally.refused += len(refusals)
    tally.refused_annotations += sum(len(problems) for problems in left_out.values())
    tally.refusals += refusals
    for item, _ in kept:
        if item.line in left_out:
            excerpt = item.record.external_id or texts.excerpt(item.record.output)
            tally.refusals.append(Refusal(item.line, "; ".join(left_out[item.line]), excerpt, is_output_stored=True))


def _kept(
    batch: ImportBatch, items: Sequence[Item], stored: intake_actions.Stored
) -> tuple[list[tuple[Item, int]], list[Refusal]]:
    """Return the items whose output is stored, each with its id, and the refusals of the others."""
    kept: list[tuple[Item, int]] = []
    refused: list[Refusal] = []
    for item, output_id, is_gold in zip(items, stored.output_ids, stored.is_gold, strict=True):
        if output_id is None:
            reason = f"the id {item.record.external_id!r} is stored already, with another prompt or output"
        elif is_gold and batch.purpose != ImportBatch.Purpose.GOLD:
            reason = "this output is here already as gold, which is never judged for training; it stays gold"
        elif not is_gold and batch.purpose == ImportBatch.Purpose.GOLD:
            reason = "this output is here already to be judged, so it cannot be gold; change its text or give it an id"
        else:
            kept.append((item, output_id))
            continue
        refused.append(Refusal(item.line, reason, texts.excerpt(item.record.output)))
    return kept, refused


def _with_answers(items: Sequence[Item], judges: Judges) -> tuple[list[Item], list[Refusal]]:
    """Return the items whose answer is known, and the refusals of the others, who would measure nobody."""
    kept: list[Item] = []
    refused: list[Refusal] = []
    for item in items:
        reason = answers.missing(record=item.record, tag_id=judges.tag_id) or _unnamed(item.record, judges)
        if reason:
            refused.append(Refusal(item.line, reason, texts.excerpt(item.record.output)))
        else:
            kept.append(item)
    return kept, refused


def _unnamed(record: records.Record, judges: Judges) -> str:
    try:
        for annotation in record.annotations:
            judges.annotator_id(annotation.annotator)
    except RuleError as error:
        return error.message
    return ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
