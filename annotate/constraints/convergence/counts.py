"""What reviewed outputs show, gathered output by output: per slice, how often each constraint was seen. Pure.

Memory grows with the constraints and the slices, never with the outputs; with the slices up to CELLS_AT_MOST.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from annotate.constraints.convergence import curve as saturation_curve
from annotate.constraints.convergence import saturation
from annotate.constraints.convergence.saturation import Incidence

ALL = "all"
KINDS = ("model", "batch", "language")
SLICES_AT_MOST = 100
"""Slices of a kind that are followed; outputs of further ones are in the whole only."""
CELLS_AT_MOST = 500_000
"""Counts of (slice, constraint) that are followed: some 100 MB. Beyond that the smallest slices are given up."""
FRESH_AT_MOST = 100


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One violation: the constraint it is in now, the one it was in before merges, and whose it is."""

    merged: int
    separate: int
    annotator: int


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One output that people have judged, in the order of the first judgments."""

    model: str
    batch: str
    language: str
    marks: Sequence[Mark] = ()
    decided: int = 1
    has_other: bool = False
    is_imported: bool = False

    def value(self, kind: str) -> str:
        return str(getattr(self, kind))


@dataclass(kw_only=True)
class Sight:
    """How often each constraint was seen, and at which output (from 0) first."""

    counts: Counter[int] = field(default_factory=Counter)
    firsts: dict[int, int] = field(default_factory=dict)

    def add(self, seen: frozenset[int], at: int) -> int:
        """Count what was seen. Returns how many of it are new."""
        # Not `seen - self.firsts.keys()`, which walks through all that was ever seen.
        new = [each for each in seen if each not in self.firsts]
        self.counts.update(seen)
        self.firsts.update(dict.fromkeys(new, at))
        return len(new)


@dataclass(kw_only=True)
class Tally:
    """One slice: before and after merging."""

    units: int = 0
    merged: Sight = field(default_factory=Sight)
    separate: Sight = field(default_factory=Sight)
    latest: deque[frozenset[int]] = field(default_factory=lambda: deque(maxlen=FRESH_AT_MOST))

    @property
    def cells(self) -> int:
        return len(self.merged.firsts) + len(self.separate.firsts)

    def add(self, merged: frozenset[int], separate: frozenset[int]) -> int:
        """Count an output. Returns how many cells that took."""
        taken = self.merged.add(merged, self.units) + self.separate.add(separate, self.units)
        self.latest.append(merged)
        self.units += 1
        return taken

    def incidence(self, sight: Sight) -> Incidence:
        return saturation.tally(sight.counts.values(), units=self.units)


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """Of the latest `outputs`: in how many no constraint was violated that was known before them; and a new one was."""

    outputs: int
    without_known: int
    with_new: int


@dataclass(kw_only=True)
class Ledger:
    """A campaign's random stratum, the whole and in slices. `is_full`: no slice is begun any more."""

    slices: dict[tuple[str, str], Tally] = field(default_factory=lambda: {(ALL, ""): Tally()})
    unsliced: Counter[str] = field(default_factory=Counter)
    imported: int = 0
    other: int = 0
    judgments: int = 0
    cells: int = 0
    is_full: bool = False

    def add(self, output: Reviewed) -> None:
        merged = frozenset(mark.merged for mark in output.marks)
        separate = frozenset(mark.separate for mark in output.marks)
        self.slices[ALL, ""].add(merged, separate)
        for tally in self._sliced(output):
            self.cells += tally.add(merged, separate)
        while self.cells > CELLS_AT_MOST:
            self._give_up_smallest()
        self.imported += output.is_imported
        self.other += output.has_other
        self.judgments += output.decided

    def _sliced(self, output: Reviewed) -> Iterable[Tally]:
        for kind in KINDS:
            value = output.value(kind)
            if not value:
                continue
            key = (kind, value)
            if key not in self.slices and not self._has_room(kind):
                self.unsliced[kind] += 1
                continue
            yield self.slices.setdefault(key, Tally())

    def _has_room(self, kind: str) -> bool:
        return not self.is_full and sum(each == kind for each, _ in self.slices) < SLICES_AT_MOST

    def _give_up_smallest(self) -> None:
        """Its outputs stay in the whole. None is begun any more, so that this one does not come back in part."""
        key = min((each for each in self.slices if each[0] != ALL), key=lambda each: self.slices[each].units)
        given_up = self.slices.pop(key)
        self.unsliced[key[0]] += given_up.units
        self.cells -= given_up.cells
        self.is_full = True


def fresh(tally: Tally) -> Fresh:
    """Return what the latest outputs showed: at most half of all, so that there is a before."""
    size = min(len(tally.latest), tally.units // 2)
    start = tally.units - size
    known = without = new = 0
    for seen in list(tally.latest)[len(tally.latest) - size :]:
        known = sum(tally.merged.firsts[each] < start for each in seen)
        without += known == 0
        new += known < len(seen)
    return Fresh(outputs=size, without_known=without, with_new=new)


def curve(tally: Tally, sight: Sight) -> list[list[float | None]]:
    """Return [units, mean, low, high, seen by then] for each point; none was seen by then beyond the last output."""
    firsts = sorted(sight.firsts.values())
    points: list[list[float | None]] = []
    done = 0
    for each in saturation_curve.curve(tally.incidence(sight)):
        while done < len(firsts) and firsts[done] < each.units:
            done += 1
        seen = done if each.units <= tally.units else None
        points.append([each.units, round(each.mean, 3), round(each.low, 3), round(each.high, 3), seen])
    return points


def violated(*, marks: Sequence[Mark], decided: int, lineage: Mapping[int, Sequence[int]]) -> frozenset[int]:
    """Return the constraints that more than half of those who decided marked, those merged into them too.

    `lineage` gives, for a constraint, itself and what it was merged into, on and on.
    """
    by_constraint: dict[int, set[int]] = {}
    for mark in marks:
        for each in {*lineage.get(mark.separate, [mark.separate]), mark.merged}:
            by_constraint.setdefault(each, set()).add(mark.annotator)
    return frozenset(each for each, annotators in by_constraint.items() if 2 * len(annotators) > decided)


def lineages(merged_into: Mapping[int, int | None]) -> dict[int, list[int]]:
    """Return, for each constraint, itself and what it was merged into, to the one that lives.

    >>> lineages({1: 2, 2: 3, 3: None})[1]
    [1, 2, 3]
    """
    found: dict[int, list[int]] = {}
    for start in merged_into:
        path = [start]
        while (after := merged_into.get(path[-1])) is not None and after not in path:
            path.append(after)
        found[start] = path
    return found
