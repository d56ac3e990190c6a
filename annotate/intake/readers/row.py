"""What every reader yields, and what every reader is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file, or why there is none. `number` is its line (Parquet: its row), counted from 1."""

    number: int
    fields: dict[str, Any] | None = None
    problem: str = ""
    excerpt: str = ""


class Reader(Protocol):
    """After each Row, `line` and `bytes_read` say where a new reader goes on: open_file(..., line=, offset=)."""

    @property
    def line(self) -> int: ...
    @property
    def bytes_read(self) -> int: ...
    def __iter__(self) -> Iterator[Row]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
