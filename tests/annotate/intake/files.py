"""Files for tests, written as somebody's script would write them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from annotate.intake import readers
from annotate.intake.readers.row import Row


def line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def jsonl(path: Path, values: Iterable[Any]) -> Path:
    """Dictionaries as JSON lines; bytes as they are."""
    path.write_bytes(b"".join(value if isinstance(value, bytes) else line(value) for value in values))
    return path


def gzipped(path: Path) -> Path:
    target = path.with_name(path.name + ".gz")
    target.write_bytes(gzip.compress(path.read_bytes()))
    return target


def rows(path: Path, *, line: int = 0, offset: int = 0) -> list[Row]:
    with readers.open_file(path, line=line, offset=offset) as reader:
        return list(reader)


def record(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"prompt": f"Question {number}?", "output": f"Answer {number}.", "model": "m", **fields}
