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
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DataError, connection, transaction

from annotate.accounts import actions as accounts_actions
from annotate.accounts.models import User
from annotate.campaigns import actions as campaign_actions
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns import tags
from annotate.errors import RuleError
from annotate.intake import actions as intake_actions
from annotate.intake import detect, marks, readers, records, texts
from annotate.intake.actions import Refusal, Tally
from annotate.intake.models import ImportBatch
from annotate.intake.readers.row import Reader
from annotate.judgments import answers
from annotate.judgments.models import Judgment
from annotate.queue import actions as queue_actions

CHUNK_ROWS = 1000
CHUNK_CHARACTERS = 4 * 1024 * 1024
ANNOTATORS_REMEMBERED = 10_000
KEYS = uuid.UUID("7d0f3a52-6b0c-5b7e-9d53-0f6f3b1c2f11")

Clock = Callable[[], datetime]
Progress = Callable[[ImportBatch], None]

COPY_VIOLATIONS = """
    COPY judgments_violation (
        judgment_id, tag_id, position, scope, severity, start, "end", quote, text_sha256, critique, correction, source
    ) FROM STDIN
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the file that holds a record."""

    line: int
    record: records.Record


@dataclass(slots=True)
class Chunk:
    """Lines that are stored together, and where the file stands behind them."""

    items: list[Item] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    characters: int = 0
    line: int = 0
    bytes_read: int = 0

    @property
    def is_full(self) -> bool:
        return len(self.items) + len(self.refusals) >= CHUNK_ROWS or self.characters >= CHUNK_CHARACTERS


@dataclass(slots=True)
class Judges:
    """Who judged and with which tags: the annotators and tags an import has met, by the names the file gives them."""

    namespace: str
    tag_set_id: int
    tag_ids: dict[str, int]
    annotators: dict[str, int] = field(default_factory=dict)

    def tag_id(self, name: str) -> int | None:
        return self.tag_ids.get(name.casefold()) or self.tag_ids.get(tags.slug_of(name).casefold())

    def annotator_id(self, name: str) -> int:
        """Raises RuleError when the name cannot be an external annotator's."""
        if name not in self.annotators:
            username = f"{self.namespace}/{name}"
            if len(username) > 150:
                raise RuleError(f"the annotator's name with its namespace has {len(username)} characters, over 150")
            if len(self.annotators) >= ANNOTATORS_REMEMBERED:
                self.annotators.clear()
            made = accounts_actions.ensure_annotator(username=username, name=name, kind=User.Kind.EXTERNAL)
            self.annotators[name] = made.pk
        return self.annotators[name]


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
    judges = _judges(batch)
    with _opened(batch, line=batch.line, offset=batch.bytes_read) as reader:
        for chunk in _chunks(reader):
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


def _judges(batch: ImportBatch) -> Judges:
    tag_set = campaign_queries.current_tag_set(campaign=batch.campaign)
    every = list(tag_set.tags.all())
    ids = {tag.name.casefold(): tag.pk for tag in every} | {tag.slug.casefold(): tag.pk for tag in every}
    return Judges(batch.namespace, tag_set.pk, ids)


def _chunks(reader: Reader) -> Iterator[Chunk]:
    chunk = Chunk()
    for row in reader:
        if row.fields is None:
            chunk.refusals.append(Refusal(row.number, row.problem, row.excerpt))
        else:
            try:
                record = records.parse(row.fields)
            except texts.Refused as error:
                chunk.refusals.append(Refusal(row.number, str(error), _excerpt(row.fields)))
            else:
                chunk.items.append(Item(row.number, record))
                chunk.characters += len(record.prompt) + len(record.output)
        chunk.line, chunk.bytes_read = reader.line, reader.bytes_read
        if chunk.is_full:
            yield chunk
            chunk = Chunk()
    if chunk.items or chunk.refusals:
        yield chunk


def _excerpt(fields: dict[str, Any]) -> str:
    shown = fields.get("id") or fields.get("output") or fields.get("prompt") or ""
    return texts.excerpt(shown if isinstance(shown, str) else str(shown)[: texts.EXCERPT])


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
    judged = _judge(batch, kept, judges, left_out, now)
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


def _judge(
    batch: ImportBatch,
    kept: Sequence[tuple[Item, int]],
    judges: Judges,
    left_out: dict[int, list[str]],
    now: datetime,
) -> int:
    """Store the judgments that are new; add reasons to `left_out` for those that cannot be. Return how many are new."""
    wanted: dict[tuple[int, int], tuple[Item, marks.Annotation]] = {}
    for item, output_id in kept:
        for annotation in item.record.annotations:
            try:
                annotator_id = _known(annotation, judges)
            except RuleError as error:
                reason = f"annotation of {annotation.annotator[:60]} left out: {error.message}"
                left_out.setdefault(item.line, []).append(reason)
            else:
                wanted.setdefault((output_id, annotator_id), (item, annotation))
    judged = _judged_already(wanted)
    for pair in judged:
        wanted.pop(pair, None)
    if batch.purpose == ImportBatch.Purpose.GOLD:
        _keep_first_answers(wanted, judged, left_out)
    made = Judgment.objects.bulk_create(
        Judgment(
            campaign_id=batch.campaign_id,
            output_id=output_id,
            annotator_id=annotator_id,
            tag_set_id=judges.tag_set_id,
            verdict=annotation.verdict,
            comment=annotation.comment,
            idempotency_key=uuid.uuid5(KEYS, f"{output_id}/{annotator_id}"),
            created_at=now,
        )
        for (output_id, annotator_id), (_, annotation) in wanted.items()
    )
    _copy_violations(made, list(wanted.values()), judges)
    return len(made)


def _keep_first_answers(
    wanted: dict[tuple[int, int], tuple[Item, marks.Annotation]],
    judged: Sequence[tuple[int, int]],
    left_out: dict[int, list[str]],
) -> None:
    """Take the later answers to known outputs out of `wanted`: what people were measured by stays as it was.

    The answer is that of the first line which brings the output, however many annotators that line names.
    """
    lines = dict.fromkeys((output_id for output_id, _ in judged), 0)
    for pair, (item, annotation) in list(wanted.items()):
        if lines.setdefault(pair[0], item.line) == item.line:
            continue
        del wanted[pair]
        left_out.setdefault(item.line, []).append(
            f"annotation of {annotation.annotator[:60]} left out: this gold output has its known answer already"
        )


def _known(annotation: marks.Annotation, judges: Judges) -> int:
    """Return the annotator's id. Raises RuleError for an unknown tag or a name that cannot be used."""
    for mark in annotation.marks:
        if judges.tag_id(mark.type) is None:
            raise RuleError(f"the campaign has no tag {mark.type!r}; import with the option to make tags, or add it")
    return judges.annotator_id(annotation.annotator)


def _judged_already(pairs: dict[tuple[int, int], Any]) -> list[tuple[int, int]]:
    """Return who has judged these outputs. Asked by output alone, which has an index whatever the statistics say."""
    if not pairs:
        return []
    there = Judgment.objects.filter(output_id__in={output for output, _ in pairs})
    return list(there.values_list("output_id", "annotator_id"))


def _copy_violations(
    made: Sequence[Judgment], origins: Sequence[tuple[Item, marks.Annotation]], judges: Judges
) -> None:
    if not any(annotation.marks for _, annotation in origins):
        return
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(COPY_VIOLATIONS) as copy:
        for judgment, (item, annotation) in zip(made, origins, strict=True):
            text_sha256 = hashlib.sha256(item.record.output.encode()).hexdigest()
            for position, mark in enumerate(annotation.marks):
                copy.write_row((judgment.pk, judges.tag_id(mark.type), position, *_columns(mark, text_sha256)))


def _columns(mark: marks.Mark, text_sha256: str) -> tuple[object, ...]:
    return (
        mark.scope,
        mark.severity,
        mark.start,
        mark.end,
        mark.quote,
        text_sha256,
        mark.critique,
        mark.correction,
        json.dumps(mark.source, ensure_ascii=False),
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
