"""Write rows as JSONL and Parquet: the same rows give the same bytes, whenever and wherever they are written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 1000
OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 6,
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": True,
    "write_statistics": True,
}


def schema(columns: Mapping[str, pa.DataType], *, chat_keys: Sequence[str] | None) -> pa.Schema:
    """Return the Parquet schema: `id`, `prompt`, then the format's own columns in their order.

    `prompt` is a string, or in a chat dataset a list of structs with one string per key (missing ones null), which
    is what `datasets` and TRL read as messages.
    """
    prompt = pa.string() if chat_keys is None else pa.list_(pa.struct([(key, pa.string()) for key in chat_keys]))
    fields = dict(columns)
    return pa.schema([("id", fields.pop("id")), ("prompt", prompt), *fields.items()])


class SplitWriter:
    """`NAME.jsonl` and `NAME.parquet` in a folder, one row group per ROWS_PER_GROUP rows. Synced to disk at the end."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema) -> None:
        self.count = 0
        self._schema = schema
        self._paths = (folder / f"{name}.jsonl", folder / f"{name}.parquet")
        self._jsonl = self._paths[0].open("w", encoding="utf-8", newline="\n")
        self._parquet = pq.ParquetWriter(self._paths[1], schema, **OPTIONS)
        self._waiting: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._parquet.close()
        self._jsonl.close()
        if kind is None:
            for path in self._paths:
                _sync(path)

    def add(self, row: Mapping[str, Any]) -> None:
        self._jsonl.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._waiting.append(row)
        self.count += 1
        if len(self._waiting) == ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._parquet.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
