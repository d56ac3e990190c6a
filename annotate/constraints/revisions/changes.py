"""What one approved revision changed against another, and where each constraint of it went. Pure.

Constraints are named by their ids. `merges` says where a constraint's members were moved to when it was merged: one
step ({1: 2, 2: 3}) or followed to its end already ({1: 3, 2: 3}), as a set keeps it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One constraint as a revision holds it; `members` counts its violations, `check` is the version of its check."""

    constraint: int
    statement: str
    tag: str
    kind: str
    members: int
    check: int | None = None


@dataclass(frozen=True, slots=True)
class Reworded:
    before: Entry
    after: Entry


@dataclass(frozen=True, slots=True)
class Merged:
    """All of `sources`, none of which is in the later revision, went into `into`."""

    into: Entry
    sources: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Split:
    """`made` is new, and most of its members that the earlier revision had were in `source`."""

    made: Entry
    source: Entry


@dataclass(frozen=True, slots=True)
class Resized:
    """How many members a constraint of both revisions gained and lost."""

    entry: Entry
    joined: int
    left: int


@dataclass(frozen=True, slots=True)
class Rechecked:
    """A constraint of the later revision, none of the added ones, whose check is another version than before.

    None where there was none; an added entry itself says which check it came with.
    """

    entry: Entry
    before: int | None

    @property
    def kind(self) -> str:
        if self.before is None:
            return "check added"
        return "check removed" if self.entry.check is None else "check changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Each list by the size of the later entry, the largest first. A constraint may be in several of them."""

    added: Sequence[Entry] = field(default_factory=list)
    reworded: Sequence[Reworded] = field(default_factory=list)
    merged: Sequence[Merged] = field(default_factory=list)
    split: Sequence[Split] = field(default_factory=list)
    retired: Sequence[Entry] = field(default_factory=list)
    resized: Sequence[Resized] = field(default_factory=list)
    rechecked: Sequence[Rechecked] = field(default_factory=list)

    def __bool__(self) -> bool:
        changes = (self.added, self.reworded, self.merged, self.split, self.retired, self.resized, self.rechecked)
        return any(changes)


def diff(
    *,
    before: Iterable[Entry],
    after: Iterable[Entry],
    merges: Mapping[int, int],
    shared: Mapping[tuple[int, int], int],
) -> Diff:
    """Compare two revisions.

    `shared` maps (constraint of the earlier, constraint of the later) to how many violations both hold. With
    before {1: 5 members, 2: 3}, after {1: 8}, merges {2: 1} and shared {(1, 1): 5, (2, 1): 3}: 2 was merged into 1,
    which 3 members joined.
    """
    old, new = _ordered(before), _ordered(after)
    went = successors(of=old, present=new, merges=merges)
    fresh = [entry for key, entry in new.items() if key not in old and key not in went.values()]
    split = [made for entry in fresh if (made := _split(entry, old, shared)) is not None]
    divided = {each.made.constraint for each in split}
    kept = [(old[key], entry) for key, entry in new.items() if key in old]
    added = [entry for entry in fresh if entry.constraint not in divided]
    return Diff(
        added=added,
        reworded=[Reworded(one, other) for one, other in kept if _words(one) != _words(other)],
        merged=_merged(old, new, went),
        split=split,
        retired=[entry for key, entry in old.items() if went[key] is None],
        resized=[each for one, other in kept if (each := _resized(one, other, shared)) is not None],
        rechecked=_rechecked(old, [entry for entry in new.values() if entry not in added]),
    )


def successors(*, of: Iterable[int], present: Container[int], merges: Mapping[int, int]) -> dict[int, int | None]:
    """Map each constraint to itself where it is present, else to what it was merged into, else to None.

    >>> successors(of=[1, 4, 5], present={3, 5}, merges={1: 2, 2: 3})
    {1: 3, 4: None, 5: 5}
    """
    return {each: _followed(each, present, merges) for each in of}


def composed(first: Mapping[int, int | None], second: Mapping[int, int | None]) -> dict[int, int | None]:
    """Return the map from revision n to m out of those from n to k and from k to m.

    Where no merge was taken back between, it equals the direct one. Where one was, the direct one knows better:
    1 was merged into 2 in revision k and stands on its own in m, and is itself there.
    """
    return {key: None if middle is None else second.get(middle) for key, middle in first.items()}


def closed(*, of: Iterable[int], present: Container[int], merges: Mapping[int, int]) -> dict[int, int]:
    """Return what a set keeps: each constraint that is not in it and lives on in one that is."""
    found = successors(of=of, present=present, merges=merges)
    return {each: into for each, into in found.items() if into is not None and into != each}


def _ordered(entries: Iterable[Entry]) -> dict[int, Entry]:
    return {each.constraint: each for each in sorted(entries, key=lambda each: (-each.members, each.constraint))}


def _followed(start: int, present: Container[int], merges: Mapping[int, int]) -> int | None:
    seen: set[int] = set()
    each: int | None = start
    while each is not None and each not in present and each not in seen:
        seen.add(each)
        each = merges.get(each)
    return each if each in present else None


def _words(entry: Entry) -> tuple[str, str, str]:
    return entry.statement, entry.tag, entry.kind


def _merged(old: Mapping[int, Entry], new: Mapping[int, Entry], went: Mapping[int, int | None]) -> list[Merged]:
    sources: dict[int, list[Entry]] = defaultdict(list)
    for key, into in went.items():
        if into is not None and into != key:
            sources[into].append(old[key])
    return [Merged(entry, sources[key]) for key, entry in new.items() if key in sources]


def _split(entry: Entry, old: Mapping[int, Entry], shared: Mapping[tuple[int, int], int]) -> Split | None:
    """Return where at least half of the members that were known before came from, if any were known."""
    counts = {key: shared.get((key, entry.constraint), 0) for key in old}
    known = sum(counts.values())
    source = max(counts, key=lambda key: (counts[key], -key), default=None)
    if source is None or not known or 2 * counts[source] < known:
        return None
    return Split(entry, old[source])


def _rechecked(old: Mapping[int, Entry], known: Iterable[Entry]) -> list[Rechecked]:
    had = [(entry, old[entry.constraint].check if entry.constraint in old else None) for entry in known]
    return [Rechecked(entry, before) for entry, before in had if entry.check != before]


def _resized(before: Entry, after: Entry, shared: Mapping[tuple[int, int], int]) -> Resized | None:
    stayed = shared.get((before.constraint, after.constraint), 0)
    joined, left = after.members - stayed, before.members - stayed
    return Resized(after, joined, left) if joined or left else None
