"""One reader per file format. Each yields Rows in file order, in constant memory, and never raises for a bad line."""

from __future__ import annotations

from pathlib import Path

from annotate.intake import detect
from annotate.intake.readers import csv_rows, jsonl
from annotate.intake.readers.row import Reader


def open_file(path: Path, *, name: str = "", line: int = 0, offset: int = 0) -> Reader:
    """Open a file of any accepted kind behind its first `line` lines. Raises detect.Unreadable for the whole file."""
    kind = detect.detect(path, name)
    if kind.format == detect.PARQUET:
        # Loaded on demand: pyarrow costs every process 50 MB that most of them never need.
        from annotate.intake.readers import parquet

        return parquet.ParquetReader(path, gzipped=kind.gzipped, line=line)
    reader = csv_rows.CsvReader if kind.format == detect.CSV else jsonl.JsonlReader
    return reader(path, gzipped=kind.gzipped, line=line, offset=offset)
