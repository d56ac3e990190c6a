"""Counts from which scorecards are made, one output at a time. Pure: plain values in, plain values out.

An output costs what was seen on it, not the number of constraints: where nobody saw a constraint all say no, and how
often that was is the difference to the counts of all outputs. Memory grows with constraints x contexts x patterns, and
with the pairs of constraints that ever met; never with outputs.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from annotate.constraints.scorecard import heterogeneity, independence
from annotate.constraints.scorecard import measures as scorecard
from annotate.quality import false_discovery

YES, NO, CANNOT = "yes", "no", "cannot"


@dataclass(frozen=True, kw_only=True)
class Division:
    """One way to divide the outputs: its name and the labels of its parts, in the order in which they are shown."""

    name: str
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer in verify mode: YES, NO or CANNOT. A later `round` asks again.

    `is_assisted`: what a check found was shown with the question.
    """

    constraint: int
    output: int
    annotator: int
    round: int
    answer: str
    is_assisted: bool = False


@dataclass(kw_only=True, slots=True)
class Verified:
    """What verify mode says of one constraint, either blind or assisted."""

    patterns: Counter[tuple[int, int]] = field(default_factory=Counter)
    answers: int = 0
    cannot: int = 0
    outputs: int = 0
    same: int = 0
    repeats: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What verify mode says, by constraint, of those who were asked blind and of those who were assisted."""

    blind: dict[int, Verified] = field(default_factory=dict)
    assisted: dict[int, Verified] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Tally:
    """What tagging says. `divisions` gives each output a part of each division, by place, or None where it has none."""

    divisions: Sequence[Division] = ()
    judged: int = 0
    together: independence.Together = field(default_factory=independence.Together)
    _votes: Counter[int] = field(default_factory=Counter)
    _patterns: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    _parts: Counter[tuple[int, int]] = field(default_factory=Counter)
    _seen_in: Counter[tuple[int, int, int, int, int]] = field(default_factory=Counter)
    _judgments: Counter[int] = field(default_factory=Counter)
    _cannot: Counter[int] = field(default_factory=Counter)

    def add(
        self, *, votes: int, cannot: int = 0, seen: Iterable[tuple[int, int]] = (), parts: Sequence[int | None] = ()
    ) -> None:
        """Count one output: how many decided, how many could not tell, and (constraint, yes) of what was seen.

        An output on which nobody decided has no votes and is left out.
        """
        if not votes:
            return
        self.judged += 1
        self._votes[votes] += 1
        places = [(at, part) for at, part in enumerate(parts) if part is not None]
        self._parts.update(places)
        found = list(seen)
        for constraint, yes in found:
            self._patterns[constraint, yes, votes] += 1
            self._judgments[constraint] += votes + cannot
            self._cannot[constraint] += cannot
            for at, part in places:
                self._seen_in[constraint, at, part, yes, votes] += 1
        self.together.add(constraint for constraint, yes in found if 2 * yes > votes)

    def by_constraint(self) -> dict[int, Seen]:
        """Return what was counted for each constraint that anybody saw."""
        found: dict[int, Seen] = {}
        for (constraint, yes, votes), count in self._patterns.items():
            found.setdefault(constraint, Seen()).patterns[yes, votes] = count
        for (constraint, at, part, yes, votes), count in self._seen_in.items():
            found[constraint].parts.setdefault((at, part), Counter())[yes, votes] = count
        return found

    def mode(self, constraint: int, seen: Seen) -> scorecard.Mode:
        unseen = Counter(self._votes)
        for (_, votes), count in seen.patterns.items():
            unseen[votes] -= count
        return scorecard.mode(
            seen.patterns | Counter({(0, votes): count for votes, count in unseen.items()}),
            cannot=self._cannot[constraint],
            judgments=self._judgments[constraint],
            concerned=seen.patterns.total(),
        )

    def dimensions(self, seen: Seen) -> list[scorecard.Dimension]:
        return [self._dimension(at, division, seen) for at, division in enumerate(self.divisions)]

    def _dimension(self, at: int, division: Division, seen: Seen) -> scorecard.Dimension:
        parts = [part for part in range(len(division.labels)) if self._parts[at, part]]
        rates = [(_violated(seen.parts.get((at, part), {})), self._parts[at, part]) for part in parts]
        agreed = [scorecard.unanimous(seen.parts.get((at, part), {})) for part in parts]
        return scorecard.Dimension(
            name=division.name,
            contexts=[
                scorecard.Context(
                    label=division.labels[part],
                    rate=scorecard.share(*rate),
                    unanimous=scorecard.share(*both, floor=scorecard.SEEN_FLOOR),
                )
                for part, rate, both in zip(parts, rates, agreed, strict=True)
            ],
            rate=heterogeneity.test([each for each in rates if each[1] >= scorecard.FLOOR]),
            unanimous=heterogeneity.test([each for each in agreed if each[1] >= scorecard.SEEN_FLOOR]),
        )


@dataclass(kw_only=True, slots=True)
class Seen:
    """Where anybody saw one constraint: how many outputs had (yes, votes), in all and by (division, part)."""

    patterns: Counter[tuple[int, int]] = field(default_factory=Counter)
    parts: dict[tuple[int, int], Counter[tuple[int, int]]] = field(default_factory=dict)


def verified(answers: Iterable[Answered]) -> Asked:
    """Count answers that come sorted by constraint, output, annotator and round.

    Asked about an output again in a later round, a person has one vote, the last one that decided; whether it is what
    they said the time before is a re-test, of two blind answers or two assisted ones. Memory grows with constraints
    only.
    """
    found = Asked()
    for (constraint, _), group in itertools.groupby(answers, key=lambda each: (each.constraint, each.output)):
        each_way: dict[bool, list[Answered]] = {False: [], True: []}
        for answer in group:
            each_way[answer.is_assisted].append(answer)
        for counts, given in ((found.blind, each_way[False]), (found.assisted, each_way[True])):
            if given:
                _add_output(counts.setdefault(constraint, Verified()), given)
    return found


def cards(
    tally: Tally,
    *,
    constraints: Collection[int],
    asked: Asked,
    checks: Mapping[int, scorecard.Check],
    assisted: Tally | None = None,
) -> dict[int, scorecard.Card]:
    """Return a card for each of the constraints, with the tests of all of them adjusted together.

    `tally` is of blind judgments, and so are all figures but those that are named assisted.
    """
    seen, helped = tally.by_constraint(), (assisted or Tally()).by_constraint()
    partners = independence.partners(tally.together, constraints=len(constraints))
    made = {}
    for constraint in sorted(constraints):
        mine, check = seen.get(constraint, Seen()), checks.get(constraint)
        blind = asked.blind.get(constraint, Verified())
        made[constraint] = scorecard.Card(
            rate=scorecard.share(_violated(mine.patterns), tally.judged),
            tagging=tally.mode(constraint, mine),
            tagging_assisted=(assisted or Tally()).mode(constraint, helped.get(constraint, Seen())),
            verify=_asked(blind),
            verify_assisted=_asked(asked.assisted.get(constraint, Verified())),
            check_precision=scorecard.share(*check.precision) if check else None,
            check_recall=scorecard.share(*check.recall) if check else None,
            partners=partners.get(constraint, []),
            dimensions=tally.dimensions(mine),
            retest=scorecard.share(blind.same, blind.repeats),
        )
    return _adjusted(made)


def _add_output(mine: Verified, answers: Sequence[Answered]) -> None:
    last: list[str] = []
    for _, group in itertools.groupby(answers, key=lambda each: each.annotator):
        decided = [each.answer for each in group if each.answer != CANNOT]
        last += decided[-1:]
        mine.repeats += max(0, len(decided) - 1)
        mine.same += sum(one == other for one, other in itertools.pairwise(decided))
    mine.outputs += 1
    mine.answers += len(answers)
    mine.cannot += sum(each.answer == CANNOT for each in answers)
    mine.patterns[last.count(YES), len(last)] += 1


def _asked(mine: Verified) -> scorecard.Mode:
    return scorecard.mode(mine.patterns, cannot=mine.cannot, judgments=mine.answers, concerned=mine.outputs)


def _violated(patterns: scorecard.Patterns) -> int:
    """Return how many outputs violate by strict majority of those who decided."""
    return sum(count for (yes, votes), count in patterns.items() if 2 * yes > votes)


def _adjusted(cards: Mapping[int, scorecard.Card]) -> dict[int, scorecard.Card]:
    tests = [test for card in cards.values() for test in _tests(card)]
    adjusted = dict(zip(map(id, tests), false_discovery.adjust([test.p for test in tests]).tolist(), strict=True))

    def given(test: heterogeneity.Test | None) -> heterogeneity.Test | None:
        return None if test is None else replace(test, adjusted=adjusted[id(test)])

    return {
        constraint: replace(
            card,
            dimensions=[
                replace(each, rate=given(each.rate), unanimous=given(each.unanimous)) for each in card.dimensions
            ],
        )
        for constraint, card in cards.items()
    }


def _tests(card: scorecard.Card) -> Iterator[heterogeneity.Test]:
    for each in card.dimensions:
        yield from (test for test in (each.rate, each.unanimous) if test is not None)
