"""The rows of a dataset version: one JSON object a line, standard library only.

Spans are half-open `[start, end)` code-point offsets into `completion` (KTO) or `rejected` (D2O, pairs). Extra columns
are ignored by TRL, so a KTO file is also a TRL unpaired-preference dataset as it stands, and a pairs file a preference
dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NotRequired, TypedDict

Message = dict[str, Any]
PromptValue = str | list[Message]


class SpanRow(TypedDict):
    """One marked stretch of a rejected text, and the constraint (a set entry's id) that it violates, if any."""

    start: int
    end: int
    tag: str
    severity: str
    constraint: int | None


class KTORow(TypedDict):
    """Unpaired: a completion that people rejected (`label` false) or found nothing wrong with (`label` true).

    `critiques` are the annotators' own words about the agreed violations that `constraints` come from, each text once;
    empty where nobody wrote any. Free text, to be taken for nothing but text.
    """

    id: str
    prompt: PromptValue
    completion: str
    label: bool
    spans: list[SpanRow]
    constraints: list[int]
    critiques: list[str]
    severity: str
    model: NotRequired[str]


class D2ORow(TypedDict):
    """A rejected completion. The anchors it is weighed against are sampled by the trainer from the reference."""

    id: str
    prompt: PromptValue
    rejected: str
    spans: list[SpanRow]
    constraints: list[int]
    severity: str
    model: NotRequired[str]


class PlaceRow(TypedDict):
    """A stretch of a text."""

    start: int
    end: int


class PairRow(TypedDict):
    """A rejected completion, and `chosen`: the same with the corrections of all its violations. The two differ.

    `corrected` are the places in `chosen` where the corrections' words stand, none where it was written anew.
    """

    id: str
    prompt: PromptValue
    chosen: str
    rejected: str
    spans: list[SpanRow]
    corrected: list[PlaceRow]
    constraints: list[int]
    severity: str
    model: NotRequired[str]


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file; empty lines are passed over.

    Raises ValueError naming file and line for a line that is not an object, not JSON or not UTF-8.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError as error:
                raise ValueError(f"{path.name}, line {number}: not valid UTF-8") from error
            except json.JSONDecodeError as error:
                raise ValueError(f"{path.name}, line {number}: not valid JSON ({error.msg})") from error
            if not isinstance(row, dict):
                raise ValueError(f"{path.name}, line {number}: expected a JSON object")
            yield row
