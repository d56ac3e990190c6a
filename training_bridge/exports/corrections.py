"""What an output says once the corrections of its agreed violations are made. Pure: plain values in, plain values out.

The rule, as it stands in the manifest of every dataset of pairs:

* What must be corrected is every agreed violation (quality/consensus.py), in the constraint set or not: each agreed
  span of a kept tag; each place without characters (the whole output, an omission) that a strict majority of those who
  applied the tag named; where they agree on the tag but on no place, the tag once.
* An annotator's correction of one of these counts when all their own marks there are corrected. Of several annotators'
  the one that most of them wrote to the letter, on the same characters, is taken; of equals the one made first.
* A correction stands where its own mark stood, as it was typed: instead of the marked characters, at the place of an
  omission, or instead of everything. Without a place an omission cannot be corrected, except by the whole output. A
  correction that says what already stands there is none, and an empty one cannot be told from none.
* A correction of the whole output replaces it and settles everything; of several the most severe violation's, then the
  one made first. Otherwise a correction inside the characters of a wider one gives way to it (of equally wide ones the
  less severe, then the later), and a violation whose characters are all replaced is corrected by that, too.
  Corrections that overlap otherwise contradict each other.
* Only an output whose agreed violations are all corrected, without contradiction, gives a pair.

Worked example: "It came out in 2018 on EMI" with "2018" -> "2019" on [15, 19) and an omission "." at 26 becomes
"It came out in 2019 on EMI.".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from annotate.quality import consensus

RULE = (
    "chosen is the output with the corrections of all its agreed violations, in the set or not, as they were typed; of "
    "several annotators' corrections the one that most wrote to the letter, then the first; one of the whole output "
    "replaces it; one inside a wider one gives way to it; an output with a violation left, or with corrections that "
    "contradict each other, gives no pair"
)

CORRECTED = "corrected"
NOT_CORRECTED = "rejected_without_correction"
IN_PART = "corrected_in_part"
CONTRADICTING = "corrections_contradict"
CHANGES_NOTHING = "corrections_change_nothing"
LEAVES_NOTHING = "corrections_leave_nothing"
LEFT_OUT = (NOT_CORRECTED, IN_PART, CONTRADICTING, CHANGES_NOTHING, LEAVES_NOTHING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fix:
    """A violation's correction, not empty and not what stands there already."""

    text: str
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """`text` instead of the code points [start, end), which may be none; both None: instead of everything.

    `severity` is a rank in consensus.SEVERITIES, `made` the lowest id of the violations it comes from.
    """

    start: int | None
    end: int | None
    text: str
    severity: int
    made: int

    @property
    def what(self) -> tuple[int | None, int | None, str]:
        return self.start, self.end, self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Corrected:
    """`state` is CORRECTED, NOT_CORRECTED, IN_PART or CONTRADICTING; `edits` are those to make, in order."""

    state: str
    edits: tuple[Edit, ...] = ()

    @property
    def is_whole(self) -> bool:
        return any(edit.start is None for edit in self.edits)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fault:
    """One thing to be corrected: where it is (None: nobody agreed), and each annotator's marks of it."""

    severity: int
    start: int | None
    end: int | None
    marks: dict[int, list[consensus.Mark]]


def of(*, votes: Sequence[consensus.Vote], agreed: consensus.Consensus, fixes: Mapping[int, Fix]) -> Corrected:
    """Return what the annotators' corrections make of an output they agree to reject; `fixes` by violation id."""
    owners = {mark.violation_id: (vote.annotator, mark) for vote in votes for mark in vote.marks}
    faults = [fault for tag in agreed.tags for fault in _faults(tag, owners)]
    chosen = [_chosen(fault, fixes) for fault in faults]
    edits = [edit for each in chosen for edit in each]
    if not edits:
        return Corrected(state=NOT_CORRECTED)
    whole = [edit for edit in edits if edit.start is None]
    if whole:
        return Corrected(state=CORRECTED, edits=(min(whole, key=lambda edit: (-edit.severity, edit.made)),))
    fitted = _fitted(edits)
    if fitted is None:
        return Corrected(state=CONTRADICTING)
    left = [fault for fault, each in zip(faults, chosen, strict=True) if not each and not _is_replaced(fault, fitted)]
    return Corrected(state=IN_PART) if left else Corrected(state=CORRECTED, edits=tuple(fitted))


def apply(text: str, edits: Iterable[Edit]) -> str:
    """Return the text with the edits made, from right to left so that no edit moves another's place.

    >>> places = (0, 2, "अब"), (3, 3, "🙂")
    >>> apply("कल वह", [Edit(start=a, end=b, text=said, severity=0, made=1) for a, b, said in places])
    'अब 🙂वह'
    """
    for edit in reversed(list(edits)):
        text = edit.text if edit.start is None else text[: edit.start] + edit.text + text[edit.end :]
    return text


def places(edits: Iterable[Edit]) -> list[tuple[int, int]]:
    """Return where the edits' own words stand in the text that `apply` makes; nothing when they replace it all.

    >>> made = [Edit(start=a, end=b, text=said, severity=0, made=1) for a, b, said in [(0, 2, "अब"), (3, 3, "🙂")]]
    >>> places(made)
    [(0, 2), (3, 4)]
    """
    found, moved = [], 0
    for edit in edits:
        if edit.start is not None and edit.end is not None:
            start = edit.start + moved
            found.append((start, start + len(edit.text)))
            moved += len(edit.text) - (edit.end - edit.start)
    return found


def _faults(tag: consensus.KeptTag, owners: Mapping[int, tuple[int, consensus.Mark]]) -> list[_Fault]:
    found = [_fault(span.severity, span.start, span.end, span.violation_ids, owners) for span in tag.spans]
    places: dict[int | None, list[int]] = {}
    for each in tag.violation_ids:
        if not owners[each][1].has_characters:
            places.setdefault(owners[each][1].start, []).append(each)
    for place, ids in places.items():
        made = _fault(tag.severity, place, place, ids, owners)
        if 2 * len(made.marks) > tag.applied_by:
            found.append(made)
    return found or [_fault(tag.severity, None, None, tag.violation_ids, owners)]


def _fault(
    severity: str,
    start: int | None,
    end: int | None,
    ids: Iterable[int],
    owners: Mapping[int, tuple[int, consensus.Mark]],
) -> _Fault:
    marks: dict[int, list[consensus.Mark]] = {}
    for each in sorted(ids):
        marks.setdefault(owners[each][0], []).append(owners[each][1])
    return _Fault(severity=consensus.SEVERITIES.index(severity), start=start, end=end, marks=marks)


def _chosen(fault: _Fault, fixes: Mapping[int, Fix]) -> list[Edit]:
    """The edits of one annotator: those that most annotators made, of equals the first. Empty: nobody corrected it."""
    offered: dict[frozenset[tuple[int | None, int | None, str]], list[list[Edit]]] = {}
    for marks in fault.marks.values():
        edits = [edit for mark in marks if (edit := _edit(mark, fault, fixes)) is not None]
        if len(edits) == len(marks):
            offered.setdefault(frozenset(edit.what for edit in edits), []).append(edits)
    same = min(offered.values(), key=lambda each: (-len(each), _first(each)), default=[])
    return min(same, key=lambda edits: _first([edits]), default=[])


def _first(offers: Iterable[Iterable[Edit]]) -> int:
    return min(edit.made for edits in offers for edit in edits)


def _edit(mark: consensus.Mark, fault: _Fault, fixes: Mapping[int, Fix]) -> Edit | None:
    fix = fixes.get(mark.violation_id)
    if fix is None or (mark.start is None and not fix.is_whole):
        return None
    return Edit(start=mark.start, end=mark.end, text=fix.text, severity=fault.severity, made=mark.violation_id)


def _fitted(edits: Iterable[Edit]) -> list[Edit] | None:
    """The edits without those that give way, in their order in the text. None: two contradict each other."""
    kept: list[tuple[int, int, Edit]] = []
    for start, end, edit in sorted(map(_placed, edits), key=lambda at: (at[0] - at[1], -at[2].severity, at[2].made)):
        others = [(first, last) for first, last, other in kept if _touch(first, last, start, end)]
        is_told = any(edit.what == other.what for _, _, other in kept)
        if not others and not is_told:
            kept.append((start, end, edit))
        elif not is_told and not any(first <= start and end <= last for first, last in others):
            return None
    return [edit for _, _, edit in sorted(kept, key=lambda at: (at[0], at[1], at[2].made))]


def _placed(edit: Edit) -> tuple[int, int, Edit]:
    return edit.start or 0, edit.end or 0, edit


def _touch(first: int, last: int, start: int, end: int) -> bool:
    """Say whether two stretches share a character, or a place without characters lies within the other."""
    return start < last and first < end


def _is_replaced(fault: _Fault, edits: Iterable[Edit]) -> bool:
    """Say whether one edit replaces all that was marked."""
    if fault.start is None or fault.end is None:
        return False
    return any(
        first <= fault.start and fault.end <= last and _touch(first, last, fault.start, fault.end)
        for first, last, _ in map(_placed, edits)
    )
