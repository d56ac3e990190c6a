"""How much each row, and each token of a rejected row, counts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from training_bridge.formats import spec
from training_bridge.trainer import errors


def severities(settings: spec.Hyperparameters) -> dict[str, float]:
    """Return what a token of a span of each severity counts; one that says none counts 1."""
    return {"minor": settings.minor_weight, "major": settings.major_weight, "critical": settings.critical_weight}


def of_rows(rows: Sequence[Mapping[str, Any]], *, how: str) -> list[float]:
    """Return what each row's loss is multiplied by.

    `none`: 1. `column`: its `weight`, 1 where it has none. `constraints`: a row counts the mean of 1/n over the
    constraints it violates, n being the rows that violate it, so that each constraint has about the same say; scaled
    to a mean of 1 over those rows, and 1 for rows without a constraint. Raises Refused for a weight that is none.

    >>> of_rows([{"constraints": [1]}, {"constraints": [1]}, {"constraints": [2]}, {}], how="constraints")
    [0.75, 0.75, 1.5, 1.0]
    """
    if how == "column":
        return [_column(row, number) for number, row in enumerate(rows, start=1)]
    if how == "constraints":
        return _balanced([sorted(set(row.get("constraints") or ())) for row in rows])
    return [1.0] * len(rows)


def _column(row: Mapping[str, Any], number: int) -> float:
    weight = row.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight) or weight < 0:
        raise errors.Refused(f"data/train.jsonl, row {number}: weight is {weight!r}; expected a number of 0 or more.")
    return float(weight)


def _balanced(constraints: Sequence[Sequence[int]]) -> list[float]:
    counts = Counter(each for row in constraints for each in row)
    raw = [sum(1 / counts[each] for each in row) / len(row) if row else None for row in constraints]
    named = [each for each in raw if each is not None]
    mean = sum(named) / len(named) if named else 1.0
    return [1.0 if each is None else each / mean for each in raw]
