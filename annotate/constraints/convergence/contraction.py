"""What a campaign's sets leave of a fixed probe set, revision by revision: by people's verdicts, and by checks. Pure.

A check that is frozen says the same of the same output whenever it is asked. So what all checks of the sets so far let
pass can only become less: their survivors contract by construction. What people said need not, since they judged other
outputs, and constraints leave sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One approved set: its constraints, each with the id of the check version that was frozen with it, or None."""

    number: int
    checks: Mapping[int, int | None]

    @property
    def prohibited(self) -> frozenset[int]:
        return frozenset(self.checks)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One revision on the probe, by people. `is_nested`: nothing that the revision before prohibits is allowed again
    here, so that survivors can only become fewer; None for the first. `holds`: they did."""

    revision: int
    constraints: int
    survivors: int
    is_nested: bool | None
    holds: bool | None


@dataclass(frozen=True, kw_only=True)
class CheckStep:
    """One revision on the probe, by checks: `checked` constraints have one that looked at the whole probe, `waiting`
    one that did not yet, `without` none. `own` outputs pass the checks of this set, `so_far` those of all up to it."""

    revision: int
    checked: int
    waiting: int
    without: int
    own: int
    so_far: int


def by_people(
    *,
    revisions: Sequence[Revision],
    outputs: Sequence[frozenset[int]],
    lineage: Mapping[int, Sequence[int]],
) -> list[Step]:
    """Return, revision by revision, how many outputs violate none of its constraints.

    `outputs` holds what each output of the probe violates by people's consensus.
    """
    steps: list[Step] = []
    before: frozenset[int] = frozenset()
    for revision in revisions:
        prohibited = revision.prohibited
        survivors = sum(not (each & prohibited) for each in outputs)
        is_nested = all(set(lineage.get(each, [each])) & prohibited for each in before) if steps else None
        holds = survivors <= steps[-1].survivors if is_nested else None
        steps.append(
            Step(
                revision=revision.number,
                constraints=len(prohibited),
                survivors=survivors,
                is_nested=is_nested,
                holds=holds,
            )
        )
        before = prohibited
    return steps


def by_checks(*, revisions: Sequence[Revision], marked: Mapping[int, int], outputs: int) -> list[CheckStep]:
    """Return, revision by revision, how many of the probe's `outputs` pass.

    `marked` has, for each check version that looked at all of them, the outputs it marked as the bits of a number.

    Three outputs; version 7 marks the first, version 9 the first two. A set with 7, then one with 9 in its place and a
    constraint without a check: 2 pass, then 1. A third with 7 again: 2 pass its own check, 1 all checks so far.

    >>> sets = [Revision(number=1, checks={1: 7}), Revision(number=2, checks={1: 9, 2: None})]
    >>> sets.append(Revision(number=3, checks={1: 7}))
    >>> [(each.own, each.so_far) for each in by_checks(revisions=sets, marked={7: 0b001, 9: 0b011}, outputs=3)]
    [(2, 2), (1, 1), (2, 1)]
    """
    steps: list[CheckStep] = []
    ever = 0
    for revision in revisions:
        versions = [version for version in revision.checks.values() if version is not None]
        own = 0
        for version in versions:
            own |= marked.get(version, 0)
        ever |= own
        checked = sum(version in marked for version in versions)
        steps.append(
            CheckStep(
                revision=revision.number,
                checked=checked,
                waiting=len(versions) - checked,
                without=len(revision.checks) - len(versions),
                own=outputs - own.bit_count(),
                so_far=outputs - ever.bit_count(),
            )
        )
    return steps
