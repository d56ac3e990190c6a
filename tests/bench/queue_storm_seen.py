"""What the annotators' pages saw during a storm, compared with itself and with the rows that are there afterwards."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

DONE = ("judged", "skipped")


@dataclass(frozen=True)
class Seen:
    """One acknowledged step of a page, which has a number. `what` is shown, judged, undone, skipped or refused.

    The page knows an output by its text alone (`label`). Times are monotonic seconds, of the request that was answered.
    """

    what: str
    token: str
    label: str
    key: str = ""
    page: int = 0
    began: float = 0.0
    ended: float = 0.0


@dataclass(frozen=True)
class Facts:
    """The rows afterwards: leases by token (person, label, state), judgments by key (person, label, is withdrawn)."""

    leases: Mapping[str, tuple[int, str, str]] = field(default_factory=dict)
    judgments: Mapping[str, tuple[int, str, bool]] = field(default_factory=dict)


def contradictions(*, seen: Mapping[int, Sequence[Seen]], facts: Facts) -> dict[str, int]:
    """Return how often what a person's pages saw breaks which promise; nothing when all are kept."""
    found: Counter[str] = Counter()
    for person, steps in seen.items():
        ordered = sorted(steps, key=lambda step: step.ended)
        found["work was refused"] += sum(step.what == "refused" for step in ordered)
        found["shown again after it was judged or skipped"] += _shown_again(ordered)
        found["one token for two outputs"] += _ambiguous(ordered)
        found["leased otherwise than shown"] += sum(
            facts.leases[step.token][:2] != (person, step.label) for step in ordered if step.token in facts.leases
        )
        found["judged otherwise than acknowledged"] += _judged_otherwise(person, ordered, facts)
        found["taken back otherwise than acknowledged"] += _undone_otherwise(ordered, facts)
        found["skipped and yet open"] += sum(
            facts.leases.get(step.token, (person, "", ""))[2] not in ("skipped", "submitted")
            for step in ordered
            if step.what == "skipped"
        )
    return {promise: count for promise, count in found.items() if count}


def acknowledged(*, seen: Mapping[int, Iterable[Seen]]) -> list[UUID]:
    """Return the keys of the judgments that pages were told are stored, those that were taken back too."""
    return [UUID(step.key) for steps in seen.values() for step in steps if step.what == "judged"]


def _shown_again(ordered: Sequence[Seen]) -> int:
    """Count what was asked for after its judgment or skip was acknowledged, and not while that was being taken back.

    Two tabs of a person may show the same output: what one was being given while the other judged it, or took its
    judgment back, is no fault.
    """
    again = 0
    done: dict[str, float] = {}
    back = defaultdict(list)
    for step in ordered:
        if step.what == "undone":
            back[step.label].append(step)
    for step in ordered:
        if step.what in DONE:
            done[step.label] = step.ended
        elif step.what == "shown" and step.began > (since := done.get(step.label, step.began)):
            again += not any(undo.ended > since and undo.began < step.ended for undo in back[step.label])
    return again


def _ambiguous(ordered: Sequence[Seen]) -> int:
    labels = defaultdict(set)
    for step in ordered:
        labels[step.token].add(step.label)
    return sum(len(each) > 1 for each in labels.values())


def _judged_otherwise(person: int, ordered: Sequence[Seen], facts: Facts) -> int:
    told = {step.key: step.label for step in ordered if step.what == "judged"}
    return sum(facts.judgments.get(key, (0, "", False))[:2] != (person, label) for key, label in told.items())


def _undone_otherwise(ordered: Sequence[Seen], facts: Facts) -> int:
    """Count judgments that are withdrawn though their page was not told so, or the other way round.

    Where two tabs judged one output, either may have taken back what the other said.
    """
    pages = defaultdict(set)
    for step in ordered:
        if step.what == "judged":
            pages[step.label].add(step.page)
    told = {step.key for step in ordered if step.what == "undone"}
    judged = {step.key for step in ordered if step.what == "judged" and len(pages[step.label]) == 1}
    return sum(facts.judgments[key][2] != (key in told) for key in judged & set(facts.judgments))
