"""What a person may choose about a dataset version. Pure; unknown names are refused, so a slip is never ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from annotate.errors import RuleError
from annotate.quality.judges import KINDS, PEOPLE, in_order

LARGEST_SEED = 2**31 - 1


class BadOptions(RuleError):
    """An option is unknown or out of its range."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """`min_judgments`: decided judgments an output needs. `kinds`: whose judgments count, people's unless asked.

    `seed` decides the order of the rows and who is held out; `holdout` is the share of prompts kept out of train.
    """

    min_judgments: int = 1
    kinds: tuple[str, ...] = PEOPLE
    seed: int = 0
    holdout: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "kinds": list(self.kinds)}


def parse(values: Mapping[str, Any] | None) -> Options:
    """Check what was asked for. Raises BadOptions naming the option in `field`."""
    given = dict(values or {})
    for name in given:
        if name not in _CHECKS:
            raise BadOptions(f"There is no option “{name}”; there are {', '.join(_CHECKS)}.", field=str(name)[:40])
    checked: dict[str, Any] = {name: _CHECKS[name](value) for name, value in given.items()}
    return Options(**checked)


def _min_judgments(value: Any) -> int:
    if not _is_whole(value) or not 1 <= value <= 50:
        raise BadOptions("The smallest number of judgments is a whole number from 1 to 50.", field="min_judgments")
    return int(value)


def _kinds(value: Any) -> tuple[str, ...]:
    chosen = set(value) if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value) else set()
    if not chosen or not chosen <= set(KINDS):
        raise BadOptions(f"Choose whose judgments count: {', '.join(KINDS)}, at least one of them.", field="kinds")
    return in_order(chosen)


def _seed(value: Any) -> int:
    if not _is_whole(value) or not 0 <= value <= LARGEST_SEED:
        raise BadOptions(f"The seed is a whole number from 0 to {LARGEST_SEED}.", field="seed")
    return int(value)


def _holdout(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 0.5:
        raise BadOptions("The held-out share is a number from 0 to 0.5.", field="holdout")
    return float(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "min_judgments": _min_judgments,
    "kinds": _kinds,
    "seed": _seed,
    "holdout": _holdout,
}
