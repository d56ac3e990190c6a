"""The judgments that came with imported outputs: whose they are, which are new, and their violations."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from annotate.accounts import actions as accounts_actions
from annotate.accounts.models import User
from annotate.campaigns import queries as campaign_queries
from annotate.campaigns import tags
from annotate.errors import RuleError
from annotate.intake import marks
from annotate.intake.models import ImportBatch
from annotate.judgments.imported_lines import Item
from annotate.judgments.models import Judgment

ANNOTATORS_REMEMBERED = 10_000
KEYS = uuid.UUID("7d0f3a52-6b0c-5b7e-9d53-0f6f3b1c2f11")

COPY_VIOLATIONS = """
    COPY judgments_violation (
        judgment_id, tag_id, position, scope, severity, start, "end", quote, text_sha256, critique, correction, source
    ) FROM STDIN
"""


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


def judges_of(batch: ImportBatch) -> Judges:
    """Return the judges of a batch, with the tags that are in force now."""
    tag_set = campaign_queries.current_tag_set(campaign=batch.campaign)
    every = list(tag_set.tags.all())
    ids = {tag.name.casefold(): tag.pk for tag in every} | {tag.slug.casefold(): tag.pk for tag in every}
    return Judges(batch.namespace, tag_set.pk, ids)


def store(
    *,
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
