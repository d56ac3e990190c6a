"""CSV: commas, double quotes, a header line, UTF-8. Cells may hold line breaks."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from annotate.intake import detect, lines, texts
from annotate.intake.readers.row import Row

JSON_COLUMNS = ("messages", "annotations", "meta")


class _OverLong(Exception):
    """A physical line was passed over; the row it belongs to is refused."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class _Text(Iterator[str]):
    """Lines as text. Bytes that are not UTF-8 become lone surrogates, which refuse their row and no other."""

    def __init__(self, source: lines.Lines) -> None:
        self._source = source
        self.last = ""

    def __next__(self) -> str:
        line = next(self._source)
        self.last = line.data.decode(errors="surrogateescape")
        if line.problem:
            raise _OverLong(line.problem)
        return self.last


class CsvReader:
    """Raises detect.Unreadable when the header cannot be used."""

    def __init__(self, path: Path, *, gzipped: bool, line: int, offset: int) -> None:
        csv.field_size_limit(lines.MAX_LINE_BYTES)
        with lines.Lines(path, gzipped=gzipped) as first:
            self._header = _header(first)
            behind_header, header_end = first.number, first.bytes_read
        if line < behind_header:
            line, offset = behind_header, header_end
        self._lines = lines.Lines(path, gzipped=gzipped, line=line, offset=offset)

    @property
    def line(self) -> int:
        return self._lines.number

    @property
    def bytes_read(self) -> int:
        return self._lines.bytes_read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def __iter__(self) -> Iterator[Row]:
        text = _Text(self._lines)
        # strict: a quote that is never closed is an error, not the rest of the file in one cell.
        rows = csv.reader(text, strict=True)
        while True:
            number = self._lines.number + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(number, None, f"not valid CSV: {error}", texts.excerpt(text.last))
            except _OverLong as error:
                yield Row(number, None, error.problem, texts.excerpt(text.last))
            else:
                if cells:
                    yield self._row(number, cells)

    def _row(self, number: int, cells: list[str]) -> Row:
        try:
            return Row(number, _fields(self._header, cells))
        except texts.Refused as error:
            return Row(number, None, str(error), texts.excerpt(",".join(cells)))


def _header(source: lines.Lines) -> list[str]:
    try:
        names = [name.strip() for name in next(csv.reader(_Text(source), strict=True))]
    except (StopIteration, csv.Error, _OverLong) as error:
        raise detect.Unreadable(f"the first line is not a CSV header ({error})") from error
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise detect.Unreadable("the columns of a CSV file are separated by commas; this one uses something else")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise detect.Unreadable(f"the CSV header names a column twice: {', '.join(twice)}")
    if not {"output", "completion", "response", "messages"} & set(names):
        raise detect.Unreadable(f"the CSV header has no column called output; it has {', '.join(names)[:200]}")
    return names


def _fields(header: list[str], cells: list[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        raise texts.Refused(f"the row has {len(cells)} cells, the header names {len(header)} columns")
    fields: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if name}
    for name, cell in fields.items():
        if any("\udc80" <= character <= "\udcff" for character in cell):
            raise texts.Refused(f"not valid UTF-8 in column {name}")
    for name in JSON_COLUMNS:
        if name in fields:
            fields[name] = _json(fields[name], name)
    return fields


def _json(cell: str, name: str) -> Any:
    if not cell.strip():
        return None
    try:
        return json.loads(cell)
    except (ValueError, RecursionError) as error:
        raise texts.Refused(f"column {name} is not valid JSON ({error})"[:300]) from error
