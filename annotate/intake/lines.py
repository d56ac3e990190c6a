"""The lines of a file that may be huge, gzip-compressed, cut off or hostile, in constant memory. Pure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

MAX_LINE_BYTES = 8 * 1024 * 1024
PIECE = 64 * 1024
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES // 1024 // 1024} MiB, the most that is taken"
CUT = "the gzip file is cut off or damaged here; the lines before it are kept, what follows could not be read"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its line feed. `problem` says why there is no usable `data`, which is then only its beginning."""

    number: int
    data: bytes
    problem: str = ""


class Lines(Iterator[Line]):
    """Iterate over the lines of `path` after the first `line`, which end at byte `offset` of an uncompressed file.

    Over-long lines are passed over piece by piece. `bytes_read` is how far into the file on disk the reading is;
    for an uncompressed file it is exactly the end of the last line given out.
    """

    def __init__(self, path: Path, *, gzipped: bool = False, line: int = 0, offset: int = 0) -> None:
        self._raw = path.open("rb")
        self._file = gzip.GzipFile(fileobj=self._raw) if gzipped else self._raw
        self._gzipped = gzipped
        self._offset = 0
        self._ended = False
        self.number = 0
        if gzipped:
            self._pass_over(line)
        else:
            self._raw.seek(offset)
            self.number, self._offset = line, offset

    @property
    def bytes_read(self) -> int:
        return self._raw.tell() if self._gzipped else self._offset

    def close(self) -> None:
        self._file.close()
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __next__(self) -> Line:
        if self._ended:
            raise StopIteration
        try:
            return self._next()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self._ended = True
            self.number += 1
            return Line(self.number, b"", CUT)

    def _next(self) -> Line:
        data = self._read(MAX_LINE_BYTES + 1)
        if not data:
            raise StopIteration
        self.number += 1
        if self.number == 1:
            data = data.removeprefix(BOM)
        if len(data) <= MAX_LINE_BYTES or data.endswith(b"\n"):
            return Line(self.number, data)
        start = data[:1024]
        while data and not data.endswith(b"\n"):
            data = self._read(PIECE)
        return Line(self.number, start, TOO_LONG)

    def _read(self, limit: int) -> bytes:
        data = self._file.readline(limit)
        self._offset += len(data)
        return data

    def _pass_over(self, count: int) -> None:
        while self.number < count and next(self, None) is not None:
            pass
