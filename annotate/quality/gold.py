"""How well an annotator finds errors that are known. Pure: plain values in, plain values out.

A gold output comes with its answer: the verdict that is right and the marks that belong there. Each measure is a mean
over outputs of a number between 0 and 1, so that an output with ten marks weighs what an output with one does:

* `found`: of the outputs with known errors, the share that the annotator rejected. The others are misses.
* `alarms`: of the outputs with nothing wrong, the share that the annotator rejected all the same.
* `tags`: of the tags of an output's known errors, the share that the annotator applied, too, wherever in the text.
* `recall`, `precision`, `f1`: of the code points of an output's known errors, the share that the annotator marked; of
  those that the annotator marked, the share that belongs to a known error; and the harmonic mean of the two. Tags and
  severity do not matter here, and a code point under several marks counts once. Over outputs whose known errors have
  code points; precision only over those of them on which the annotator marked some. A miss has recall and f1 zero.

`cannot_tell` is counted beside these and enters none of them: who abstains neither found nor missed. A late judgment
(surplus) was made like any other and counts; a withdrawn or replaced one is not given to this module.

The interval of a measure is Wilson's score interval (Wilson 1927) at 95 %, with the outputs as its trials. A mean of
numbers between 0 and 1 varies no more than a share with the same mean does, so for the graded measures the interval is
at least as wide as it should be.

Worked example: the known error is the tag "fact" on [10, 20). The annotator rejects for "fact" on [15, 25): found 1,
tags 1, recall 5/10, precision 5/10, f1 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from annotate.quality.consensus import NOTHING_WRONG, REJECTED

Z = 1.959964  # the 97.5 % point of the normal distribution


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One violation: half-open code-point offsets, or none for the whole output and for an omission."""

    tag: str
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is known of an output, or what an annotator said of it."""

    verdict: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean over `outputs` of numbers between 0 and 1 that add up to `total`."""

    total: float = 0.0
    outputs: int = 0

    def plus(self, value: float) -> Measure:
        return Measure(self.total + value, self.outputs + 1)

    @property
    def share(self) -> float | None:
        return self.total / self.outputs if self.outputs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's interval around the share; None without outputs."""
        return wilson(self.total, self.outputs)


@dataclass(slots=True)
class Score:
    """One annotator on the gold outputs that they judged. `judged` counts those they decided on."""

    judged: int = 0
    cannot_tell: int = 0
    found: Measure = field(default_factory=Measure)
    alarms: Measure = field(default_factory=Measure)
    tags: Measure = field(default_factory=Measure)
    recall: Measure = field(default_factory=Measure)
    precision: Measure = field(default_factory=Measure)
    f1: Measure = field(default_factory=Measure)

    def add(self, *, known: Answer, given: Answer) -> None:
        """Count one output."""
        if given.verdict not in (REJECTED, NOTHING_WRONG):
            self.cannot_tell += 1
            return
        self.judged += 1
        is_rejected = float(given.verdict == REJECTED)
        if known.verdict == REJECTED:
            self.found = self.found.plus(is_rejected)
            self._add_tags({mark.tag for mark in known.marks}, {mark.tag for mark in given.marks})
            self._add_characters(_union(known.marks), _union(given.marks))
        else:
            self.alarms = self.alarms.plus(is_rejected)

    def _add_tags(self, known: set[str], given: set[str]) -> None:
        if known:
            self.tags = self.tags.plus(len(known & given) / len(known))

    def _add_characters(self, known: list[tuple[int, int]], given: list[tuple[int, int]]) -> None:
        wanted, marked = _length(known), _length(given)
        if not wanted:
            return
        both = _shared(known, given)
        self.recall = self.recall.plus(both / wanted)
        self.f1 = self.f1.plus(2 * both / (wanted + marked))
        if marked:
            self.precision = self.precision.plus(both / marked)


def wilson(total: float, outputs: int) -> tuple[float, float] | None:
    """Return the 95 % score interval of `total` successes in `outputs` trials; None without trials.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if not outputs:
        return None
    share, square = total / outputs, Z * Z / outputs
    middle = share + square / 2
    reach = Z * math.sqrt(max(0.0, share * (1 - share)) / outputs + square / (4 * outputs))
    return max(0.0, (middle - reach) / (1 + square)), min(1.0, (middle + reach) / (1 + square))


def together(answers: Iterable[Answer]) -> Answer:
    """Return the known answer of an output that several annotations of its line make up: rejected when one rejects."""
    every = list(answers)
    is_rejected = any(answer.verdict == REJECTED for answer in every)
    return Answer(
        verdict=REJECTED if is_rejected else NOTHING_WRONG,
        marks=tuple(mark for answer in every for mark in answer.marks),
    )


def _union(marks: Iterable[Mark]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((m.start, m.end) for m in marks if m.start is not None and m.end is not None):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _length(stretches: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in stretches)


def _shared(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> int:
    """Return how many code points lie in both; each list is sorted and without overlaps."""
    return sum(max(0, min(e, f) - max(s, g)) for s, e in one for g, f in other)
