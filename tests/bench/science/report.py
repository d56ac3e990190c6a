"""The tables of docs/evidence.md, from the results: means over seeds with 95 % t intervals, changes paired by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tests.bench.science import figures, measuring, plans

Row = dict[str, Any]
KS = (1, 4, 16, 64)


class Told:
    """The results of one world on some seeds, by label and seed."""

    def __init__(self, results: dict[str, Row], world: str, seeds: Sequence[int]) -> None:
        self.world, self.results = world, results
        self.rows: dict[str, dict[int, Row]] = {}
        for row in results.values():
            if row["world"] == world and row["seed"] in seeds:
                self.rows.setdefault(row["label"], {})[row["seed"]] = row

    def values(self, label: str, figure: Callable[[Row], float]) -> list[float]:
        return [figure(row) for _, row in sorted(self.rows.get(label, {}).items()) if not row["reason"]]

    def changes(self, label: str, figure: Callable[[Row], float], *, against: str = "base") -> list[float]:
        """Each seed's difference; seeds that either lacks are left out."""
        theirs = self.rows.get(against, {})
        return [
            figure(row) - figure(theirs[seed])
            for seed, row in sorted(self.rows.get(label, {}).items())
            if seed in theirs and not row["reason"] and not theirs[seed]["reason"]
        ]

    def refused(self, label: str) -> int:
        return sum(bool(row["reason"]) for row in self.rows.get(label, {}).values())


def tables(results: dict[str, Row], world: str) -> str:
    told, fresh = (Told(results, world, seeds) for seeds in (plans.SEEDS, plans.FRESH_SEEDS))
    found = [part(told) for part in (_methods, _tags, _tuning, _masks)] + [
        part(fresh) for part in (_defaults, _guarded)
    ]
    return "\n\n".join(text for text in found if text)


def _methods(told: Told) -> str:
    has_tries = any("right_of" in row for row in told.rows.get("base", {}).values()) and told.world == "hard"
    heads = ["method", "rate", "nothing wrong", "change", "greedy", "entropy", "tokens", "clean answers' log-prob"]
    if has_tries:
        heads += [f"pass@{k}" for k in KS] + ["pass@64, change"]
    lines = []
    for name, rate, label in _chosen(told):
        cells = [name, rate, _mean(told, label, "clean"), _change(told, label, "clean")]
        cells += [_mean(told, label, "greedy", ends=False), _mean(told, label, "entropy", ends=False)]
        cells += [_short(told, label, "tokens", 1), _change(told, label, "kept")]
        if has_tries:
            cells += [_said(told.values(label, _pass(k)), ends=k in (1, 64)) for k in KS]
            cells += [_said(told.changes(label, _pass(64)), is_change=True)]
        lines.append(cells)
    return _table(f"{told.world}: methods at their chosen rates", heads, lines)


def _tags(told: Told) -> str:
    tags = sorted({tag for rows in told.rows.get("base", {}).values() for tag in rows.get("tags", {})})
    lines = [
        [name, *(_said(told.values(label, _tag(tag)), places=3, ends=False) for tag in tags)]
        for name, _, label in _chosen(told)
    ]
    return _table(f"{told.world}: share of answers with a finding", ["method", *tags], lines)


def _tuning(told: Told) -> str:
    lines = []
    for way in (*plans.WAYS, *plans.ON_POLICY):
        labels = [plans.cell(told.world, 1, way, rate=rate).label for rate in plans.RATES]
        if any(told.rows.get(label) for label in labels):
            lines.append([way.name, *(_mean(told, label, "chosen", ends=False) for label in labels)])
    return _table(f"{told.world}: nothing wrong, on problems set aside", ["method", *map(_rate, plans.RATES)], lines)


def _masks(told: Told) -> str:
    heads = ["method", "rate", "spans", "whole answers", "spans less whole", "log-prob, spans", "log-prob, whole"]
    lines = []
    for way in plans.MASKED:
        for rate in sorted(plans.MASK_RATES):
            spans, whole = (plans.cell(told.world, 1, way, rate=rate, part=part).label for part in ("spans", "whole"))
            if not told.rows.get(spans):
                continue
            cells = [way.name, _rate(rate), _mean(told, spans, "clean"), _mean(told, whole, "clean")]
            cells += [_said(told.changes(spans, _of("clean"), against=whole), is_change=True)]
            lines.append([*cells, _change(told, spans, "kept"), _change(told, whole, "kept")])
    return _table(f"{told.world}: marked spans against whole answers", heads, lines)


def _defaults(told: Told) -> str:
    """With formats/defaults.py; the lowest look at the watched answers is over all seeds."""
    heads = ["method", "rate", "nothing wrong", "change", "worst seed", "greedy, change", "lowest look", "stopped"]
    lines = []
    for way in (*plans.WAYS, *plans.ON_POLICY[:2], plans.PUBLISHED_GUARDS):
        cell = plans.default_cell(told.world, 1, way)
        changes = told.changes(cell.label, _of("clean"))
        if changes:
            looks = [change for row in _whole(told, cell.label) for _, change in row["events"]["probe"]]
            line = [way.name, _rate(cell.hyperparameters["learning_rate"]), _mean(told, cell.label, "clean")]
            line += [_change(told, cell.label, "clean"), f"{min(changes):+.2f}", _change(told, cell.label, "greedy")]
            lines.append([*line, f"{min(looks):+.3f}" if looks else "not watched", _stops(told, cell.label)])
    return _table(f"{told.world}: defaults", heads, lines)


def _guarded(told: Told) -> str:
    """Far above the chosen rate."""
    heads = ["method", "rate", "nothing wrong", "change", "worst seed", "clean answers' log-prob", "stopped; step kept"]
    lines = []
    for name, rate, _, way in _ways(told):
        label = plans.guarded_cell(told.world, 1, way, rate=rate).label
        changes = told.changes(label, _of("clean"))
        if changes:
            line = [name, _rate(rate * plans.TOO_FAST), _mean(told, label, "clean"), _change(told, label, "clean")]
            lines.append([*line, f"{min(changes):+.2f}", _change(told, label, "kept"), _stops(told, label)])
    return _table(f"{told.world}: the guard at {plans.TOO_FAST} times the chosen rate", heads, lines)


def _stops(told: Told, label: str) -> str:
    kept = [row["events"]["kept"] for row in _whole(told, label)]
    steps = [str(each) for each in kept if each is not None]
    return f"{len(steps)} of {len(kept)}" + (f"; {', '.join(steps)}" if steps else "")


def _whole(told: Told, label: str) -> list[Row]:
    return [row for _, row in sorted(told.rows.get(label, {}).items()) if not row["reason"]]


def _chosen(told: Told) -> Iterable[tuple[str, str, str]]:
    """(name, rate, label) of the base and every method at its chosen rate."""
    yield "base", "", "base"
    for name, rate, label, _ in _ways(told):
        yield name, _rate(rate), label


def _ways(told: Told) -> Iterable[tuple[str, float, str, plans.Way]]:
    for way in (*plans.WAYS, *plans.ON_POLICY):
        rate = plans.chosen_rate(way, told.results)
        if rate is not None:
            yield way.name, rate, plans.compared_cell(told.world, 1, way, rate=rate).label, way


def _of(name: str) -> Callable[[Row], float]:
    return lambda row: float(row[name])


def _tag(name: str) -> Callable[[Row], float]:
    return lambda row: float(row["tags"].get(name, 0.0))


def _pass(k: int) -> Callable[[Row], float]:
    return lambda row: figures.mean_pass_at(k, drawn=measuring.TRIES, right=row["right_of"])


def _mean(told: Told, label: str, name: str, *, ends: bool = True) -> str:
    found = _said(told.values(label, _of(name)), ends=ends)
    refused = told.refused(label)
    return f"{found}; {refused} ended as not a number" if refused else found


def _short(told: Told, label: str, name: str, places: int) -> str:
    return _said(told.values(label, _of(name)), places=places, ends=False)


def _change(told: Told, label: str, name: str) -> str:
    return "" if label == "base" else _said(told.changes(label, _of(name)), is_change=True)


def _said(values: Sequence[float], *, places: int = 2, is_change: bool = False, ends: bool = True) -> str:
    if not values:
        return ""
    found = figures.over_seeds(values)
    if not ends:
        found = figures.Interval(mean=found.mean, low=math.nan, high=math.nan)
    count = "" if len(values) >= len(plans.SEEDS) or not ends else f" [{len(values)}]"
    return found.says(places, is_change=is_change) + count


def _rate(rate: float) -> str:
    return f"{rate:.0e}".replace("e-0", "e-")


def _table(title: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return ""
    rows = [heads, ["---"] * len(heads), *lines]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows)
