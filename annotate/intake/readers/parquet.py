"""Parquet: one record a row. Row groups are read page by page; a damaged group loses its own rows only."""

from __future__ import annotations

import datetime
import decimal
import gzip
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow
import pyarrow.parquet as pq

from annotate.intake import detect
from annotate.intake.readers.row import Row

BATCH_ROWS = 64


class ParquetReader:
    """Raises detect.Unreadable when the file's footer cannot be read, which is where its columns are listed."""

    def __init__(self, path: Path, *, gzipped: bool, line: int) -> None:
        self._unpacked = _unpack(path) if gzipped else None
        self._size = path.stat().st_size
        self._skip = line
        self.line = line
        try:
            source = Path(self._unpacked.name) if self._unpacked else path
            self._file = pq.ParquetFile(source, buffer_size=1024 * 1024, pre_buffer=False)
        except (pyarrow.ArrowException, OSError) as error:
            raise detect.Unreadable(f"the Parquet file is cut off or damaged ({error})"[:400]) from error
        names = set(self._file.schema_arrow.names)
        if not {"output", "completion", "response", "messages"} & names:
            has = ", ".join(sorted(names))[:200]
            raise detect.Unreadable(f"the Parquet file has no column called output; it has {has}")

    @property
    def bytes_read(self) -> int:
        rows = self._file.metadata.num_rows
        return self._size * self.line // rows if rows else self._size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._unpacked:
            self._unpacked.close()

    def __iter__(self) -> Iterator[Row]:
        first = 0
        for group in range(self._file.num_row_groups):
            last = first + self._file.metadata.row_group(group).num_rows
            if last > self._skip:
                yield from self._group(group, first, last)
            first = last

    def _group(self, group: int, first: int, last: int) -> Iterator[Row]:
        """Yield the rows first+1 to last; what cannot be read of them becomes one refusal."""
        self.line = max(first, self._skip)
        place = first
        try:
            for batch in self._file.iter_batches(BATCH_ROWS, row_groups=[group], use_threads=False):
                place += batch.num_rows
                for index in range(batch.num_rows - max(0, place - self.line), batch.num_rows):
                    self.line += 1
                    yield _row(self.line, batch.slice(index, 1))
        except (pyarrow.ArrowException, OSError) as error:
            refused = self.line + 1
            self.line = last
            yield Row(refused, None, f"rows {refused} to {last} are damaged ({error})"[:400])


def _row(number: int, one: pyarrow.RecordBatch) -> Row:
    try:
        [fields] = one.to_pylist()
    except UnicodeDecodeError as error:
        return Row(number, None, f"not valid UTF-8 ({error.reason} at byte {error.start} of a column)")
    return Row(number, {name: _plain(value) for name, value in fields.items()})


def _unpack(path: Path) -> Any:
    """Parquet is read from its end, so a compressed one is unpacked first. Deleted when closed."""
    file = tempfile.NamedTemporaryFile(suffix=".parquet")  # noqa: SIM115
    try:
        with gzip.open(path) as packed:
            shutil.copyfileobj(packed, file, 1024 * 1024)
    except (OSError, EOFError, zlib.error) as error:
        file.close()
        raise detect.Unreadable("the gzip-compressed Parquet file is cut off or damaged") from error
    file.flush()
    return file


def _plain(value: Any) -> Any:
    """Return what JSON can say of a Parquet value: moments and decimals as text, bytes as hexadecimal."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta | decimal.Decimal):
        return str(value)
    return value.hex() if isinstance(value, bytes) else value
