"""What several judgments of one output say together. Pure: plain values in, plain values out.

The rule, as it stands in the docs and in every manifest:

* A judgment counts when it decided: `rejected` or `nothing_wrong`. `cannot_tell` is left out. Nobody's vote weighs more
  than another's: a person, a script and an imported annotator count one each (give only the votes that should count).
* The output is `rejected` when strictly more than half of the decided judgments reject it, `nothing_wrong` when
  strictly more than half find nothing wrong, `disputed` on a tie, and `undecided` when nobody decided.
* A tag is kept when strictly more than half of the decided judgments applied it; so the tags of a single judgment are
  all kept, and of two judgments only those that both applied.
* The spans of a kept tag: with one annotator who applied it, that annotator's marks as they are. With several, the
  stretches of text that strictly more than half of them marked with it. Annotators who applied the tag to the whole
  output count among the several and mark no characters. Where no character has a majority, the tag has no span.
* The severity of a kept tag is the lower median over the annotators who applied it, each counted with the most severe
  of their marks: the highest severity that more than half of them reach.

The values:

    Mark(violation_id: int, tag: str, severity: str = "", start: int | None = None, end: int | None = None)
    Vote(annotator: int, verdict: str, marks: tuple[Mark, ...] = ())
    KeptSpan(start: int, end: int, severity: str, violation_ids: tuple[int, ...])
    KeptTag(tag: str, severity: str, spans: tuple[KeptSpan, ...], violation_ids: tuple[int, ...], applied_by: int)
    Consensus(verdict: str, decided: int, rejected_by: int, tags: tuple[KeptTag, ...])

`start` and `end` are half-open code-point offsets. An omission (an empty span, or none) is a mark without characters.

Worked example: three annotators, text of 20 characters. A rejects: "fact" on [0, 6). B rejects: "fact" on [4, 9) and
"style" on the whole. C finds nothing wrong. Two of three reject: rejected. "fact" was applied by 2 of 3: kept, on the
characters that both marked, [4, 6). "style" by 1 of 3: not kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

REJECTED = "rejected"
NOTHING_WRONG = "nothing_wrong"
DISPUTED = "disputed"
UNDECIDED = "undecided"

SEVERITIES = ("", "minor", "major", "critical")

RULE = (
    "rejected, or nothing wrong, by strict majority of the judgments that decided (cannot tell left out), else "
    "disputed; a tag is kept when a strict majority of them applied it; its spans are the characters that a strict "
    "majority of those who applied it marked (one annotator: the marks as made); its severity is their lower median"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """One violation of one judgment."""

    violation_id: int
    tag: str
    severity: str = ""
    start: int | None = None
    end: int | None = None

    @property
    def has_characters(self) -> bool:
        return self.start is not None and self.end is not None and self.start < self.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """One annotator's current judgment of the output."""

    annotator: int
    verdict: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSpan:
    """An agreed stretch of text, and the violations of the kept tag that overlap it."""

    start: int
    end: int
    severity: str
    violation_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTag:
    """A tag that a majority applied. `violation_ids` are all marks of it; `spans` is empty for the whole output."""

    tag: str
    severity: str
    spans: tuple[KeptSpan, ...]
    violation_ids: tuple[int, ...]
    applied_by: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Consensus:
    verdict: str
    decided: int
    rejected_by: int
    tags: tuple[KeptTag, ...] = ()


def verdict(votes: Sequence[Vote]) -> Consensus:
    """Return what the votes on one output say together: tags sorted by name, whatever the order of the votes."""
    decided = sorted((vote for vote in votes if vote.verdict in (REJECTED, NOTHING_WRONG)), key=lambda v: v.annotator)
    rejecting = [vote for vote in decided if vote.verdict == REJECTED]
    return Consensus(
        verdict=_verdict(len(decided), len(rejecting)),
        decided=len(decided),
        rejected_by=len(rejecting),
        tags=tuple(_kept_tags(rejecting, len(decided))),
    )


def _verdict(decided: int, rejected: int) -> str:
    if decided == 0:
        return UNDECIDED
    if 2 * rejected == decided:
        return DISPUTED
    return REJECTED if 2 * rejected > decided else NOTHING_WRONG


def _kept_tags(rejecting: Sequence[Vote], decided: int) -> Iterable[KeptTag]:
    applied: dict[str, dict[int, list[Mark]]] = {}
    for vote in rejecting:
        for mark in vote.marks:
            applied.setdefault(mark.tag, {}).setdefault(vote.annotator, []).append(mark)
    for tag in sorted(applied):
        if 2 * len(applied[tag]) > decided:
            yield _kept_tag(tag, list(applied[tag].values()))


def _kept_tag(tag: str, by_annotator: list[list[Mark]]) -> KeptTag:
    severity = _lower_median([max(_rank(mark) for mark in marks) for marks in by_annotator])
    marks = [mark for each in by_annotator for mark in each]
    return KeptTag(
        tag=tag,
        severity=severity,
        spans=tuple(_as_marked(marks) if len(by_annotator) == 1 else _agreed(by_annotator, marks, severity)),
        violation_ids=tuple(sorted(mark.violation_id for mark in marks)),
        applied_by=len(by_annotator),
    )


def _rank(mark: Mark) -> int:
    return SEVERITIES.index(mark.severity)


def _lower_median(ranks: list[int]) -> str:
    return SEVERITIES[sorted(ranks)[(len(ranks) - 1) // 2]]


def _as_marked(marks: list[Mark]) -> Iterable[KeptSpan]:
    spans = [
        KeptSpan(start=mark.start, end=mark.end, severity=mark.severity, violation_ids=(mark.violation_id,))
        for mark in marks
        if mark.start is not None and mark.end is not None and mark.start < mark.end
    ]
    return sorted(spans, key=lambda span: (span.start, span.end, span.violation_ids))


def _agreed(by_annotator: list[list[Mark]], marks: list[Mark], severity: str) -> Iterable[KeptSpan]:
    """Sweep over the edges of each annotator's merged marks; keep the stretches under a strict majority of them."""
    steps: Counter[int] = Counter()
    for own in by_annotator:
        for start, end in _union(own):
            steps[start] += 1
            steps[end] -= 1
    height, opened = 0, -1
    for place in sorted(steps):
        was, height = height, height + steps[place]
        if 2 * was <= len(by_annotator) < 2 * height:
            opened = place
        elif 2 * height <= len(by_annotator) < 2 * was:
            ids = sorted(mark.violation_id for mark in marks if _overlaps(mark, opened, place))
            yield KeptSpan(start=opened, end=place, severity=severity, violation_ids=tuple(ids))


def _union(marks: Iterable[Mark]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted((m.start, m.end) for m in marks if m.start is not None and m.end is not None):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif start < end:
            merged.append((start, end))
    return merged


def _overlaps(mark: Mark, start: int, end: int) -> bool:
    return mark.start is not None and mark.end is not None and mark.start < end and start < mark.end
