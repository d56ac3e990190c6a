"""JSONL: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from annotate.intake import lines, texts
from annotate.intake.readers.row import Row


class JsonlReader:
    def __init__(self, path: Path, *, gzipped: bool, line: int, offset: int) -> None:
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
        for line in self._lines:
            if line.problem:
                yield Row(line.number, None, line.problem, texts.excerpt(line.data))
            elif not line.data.isspace():
                yield _row(line)


def parse_object(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`. Raises texts.Refused saying what is wrong with it."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = error.msg.removesuffix(" at")
        raise texts.Refused(f"not valid JSON: {what} at character {error.pos}") from error
    except RecursionError as error:
        raise texts.Refused("not taken: the JSON is nested too deeply") from error
    except texts.Refused:
        raise
    except ValueError as error:
        raise texts.Refused(f"not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise texts.Refused(f"expected a JSON object, found {_called(value)}")
    return value


def _row(line: lines.Line) -> Row:
    try:
        return Row(line.number, parse_object(line.data.decode()))
    except UnicodeDecodeError as error:
        problem = f"not valid UTF-8: byte {error.start} of the line is 0x{line.data[error.start]:02x}"
    except texts.Refused as error:
        problem = str(error)
        if not line.data.endswith(b"\n") and problem.startswith("not valid JSON"):
            problem += "; the file ends in this line, it may be cut off"
    return Row(line.number, None, problem, texts.excerpt(line.data))


def _refuse_constant(name: str) -> Any:
    raise texts.Refused(f"not valid JSON: {name} is no JSON value")


def _called(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
