"""The lines of an imported file, read into chunks that are stored together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from annotate.intake import records, texts
from annotate.intake.actions import Refusal
from annotate.intake.readers.row import Reader

CHUNK_ROWS = 1000
CHUNK_CHARACTERS = 4 * 1024 * 1024


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


def chunks(reader: Reader) -> Iterator[Chunk]:
    """Yield what is left of the file, a chunk at a time. Lines that hold no record become refusals."""
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
