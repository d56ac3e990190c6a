"""Judgments written by hand as columns, for the tests of agreement."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

from annotate.quality import bootstrap
from annotate.quality.agreement_columns import NO_SEVERITY, SEVERITIES, Columns

Said = list[dict[str, Any]] | None
"""What one annotator said of one output: violations (tag, severity, start, end), or None: not judged."""


def columns(outputs: list[tuple[int, list[Said]]]) -> tuple[Columns, list[str]]:
    """Make columns of outputs, each its length and what each annotator said; return them and the names of tags."""
    rows: dict[str, list[int]] = {name: [] for name in ("output", "annotator", "is_rejected")}
    marks: dict[str, list[int]] = {name: [] for name in ("judgment", "tag", "severity", "start", "end")}
    names = sorted({mark["tag"] for _, every in outputs for said in every for mark in said or []})
    for output, (_, every) in enumerate(outputs):
        for annotator, said in enumerate(every):
            if said is None:
                continue
            for name, value in (("output", output), ("annotator", annotator), ("is_rejected", int(bool(said)))):
                rows[name].append(value)
            for mark in said:
                severity = mark.get("severity")
                marks["judgment"].append(len(rows["output"]) - 1)
                marks["tag"].append(names.index(mark["tag"]))
                marks["severity"].append(SEVERITIES.index(severity) if severity else NO_SEVERITY)
                marks["start"].append(mark.get("start") or 0)
                marks["end"].append(mark.get("end") or 0)
    arrays = {name: np.array(values, dtype=np.int64) for name, values in (rows | marks).items()}
    length = np.array([length for length, _ in outputs], dtype=np.int64)
    return Columns(length=length, block=bootstrap.block_of(np.arange(length.size)), **arrays), names


def of_file(path: Path) -> tuple[Columns, list[str]]:
    """Read canonical JSONL; annotators are numbered over the whole file."""
    numbers: dict[str, int] = {}
    outputs: list[tuple[int, list[Said]]] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            said: dict[int, Said] = {}
            for each in record["annotations"]:
                number = numbers.setdefault(each["annotator"], len(numbers))
                said[number] = [
                    {"tag": tag["type"], **{key: tag.get(key) for key in ("severity", "start", "end")}}
                    for tag in each["tags"]
                ]
            outputs.append((len(record["output"]), [said.get(number) for number in range(max(said) + 1)]))
    return columns(outputs)
