"""The estimators of docs/convergence.md against a known truth: `python -m tests.bench.saturation [--replicates 500]`.

Each output draws 1 to 5 of S constraints, evenly or by Zipf's law (the same one twice counts once); a reviewer
recognises each of them with probability `recall`. Every line is of `--replicates` campaigns of n reviews, each given to
the very functions the page uses. Then the stop rule: each campaign is looked at every 25 reviews and ends when it is
met. Before it, as many reviews ahead as behind: Good and Toulmin's bare sum against the smoothed one that the page
shows. Seeded; prints the tables as markdown. Needs no database.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from annotate.constraints.convergence import saturation
from annotate.constraints.convergence.saturation import Estimate, Rule

MOST = 5
BLOCK = 50
"""Campaigns drawn at once."""
STEP = 25
SIZES = (100, 300, 1000)
RECALLS = (0.5, 0.7, 0.95)
SHAPES = ("uniform", "zipf")
RULES = (Rule(coverage=0.95, expected_new=1, reviews=100), Rule(coverage=0.99, expected_new=0.5, reviews=100))


@dataclass(frozen=True, kw_only=True)
class World:
    size: int
    shape: str
    recall: float

    @property
    def weights(self) -> np.ndarray:
        raw = np.ones(self.size) if self.shape == "uniform" else 1 / np.arange(1, self.size + 1)
        weights: np.ndarray = raw / raw.sum()
        return weights

    @property
    def rates(self) -> np.ndarray:
        """The chance per review of each constraint to be seen."""
        held = [1 - (1 - self.weights) ** draws for draws in range(1, MOST + 1)]
        rates: np.ndarray = self.recall * np.mean(held, axis=0)
        return rates

    def reviewed(self, *, replicates: int, units: int, chance: np.random.Generator) -> np.ndarray:
        """Draw campaigns. Returns what was seen where, [replicate, unit, constraint] of each incidence, once each."""
        cut = np.cumsum(self.weights)
        drawn = np.minimum(np.searchsorted(cut, chance.random((replicates, units, MOST))), self.size - 1)
        is_there = np.arange(MOST) < chance.integers(1, MOST + 1, size=(replicates, units, 1))
        replicate, unit, place = np.nonzero(is_there)
        keys = np.unique((replicate * units + unit) * self.size + drawn[replicate, unit, place])
        kept = keys[chance.random(len(keys)) < self.recall]
        return np.stack([kept // (units * self.size), kept // self.size % units, kept % self.size])

    def counts(self, seen: np.ndarray, *, replicates: int) -> np.ndarray:
        """In how many units each constraint was seen, [replicates, constraints]."""
        keys = seen[0] * self.size + seen[2]
        table: np.ndarray = np.bincount(keys, minlength=replicates * self.size).reshape(replicates, self.size)
        return table


@dataclass(kw_only=True)
class Score:
    """Errors of an estimate over replicates, and how often its interval held the truth."""

    errors: list[float]
    held: list[bool]

    def add(self, found: Estimate, truth: float) -> None:
        self.errors.append(found.value - truth)
        self.held.append(found.low - 1e-9 <= truth <= found.high + 1e-9)

    def shown(self, scale: float, unit: str) -> str:
        return f"{scale * np.mean(self.errors):+.1f}{unit} | {100 * np.mean(self.held):.0f}"


def estimates(world: World, *, units: int, replicates: int, chance: np.random.Generator) -> list[Score]:
    """Chao2 against S, coverage against the true share, new ones in the next n/2 and 2n against those that came."""
    ahead = 3 * units
    scores = [Score(errors=[], held=[]) for _ in range(4)]
    for _ in range(0, replicates, BLOCK):
        seen = world.reviewed(replicates=BLOCK, units=ahead, chance=chance)
        now, half, twice = (
            world.counts(seen[:, seen[1] < until], replicates=BLOCK) for until in (units, 3 * units // 2, ahead)
        )
        _score(world, scores, units, now, half, twice)
    return scores


def _score(world: World, scores: list[Score], units: int, now: np.ndarray, half: np.ndarray, twice: np.ndarray) -> None:
    for row in range(BLOCK):
        incidence = saturation.tally(now[row].tolist(), units=units)
        truth = world.rates[now[row] > 0].sum() / world.rates.sum()
        scores[0].add(saturation.chao2(incidence), world.size)
        found = saturation.coverage(incidence)
        assert found is not None
        scores[1].add(found, truth)
        for score, after, k in ((scores[2], half, units // 2), (scores[3], twice, 2 * units)):
            new = saturation.expected_new(incidence, reviews=k)
            assert new is not None
            score.add(new.estimate, float(((after[row] > 0) & (now[row] == 0)).sum()))


def table(*, replicates: int, chance: np.random.Generator) -> Iterator[str]:
    yield "| S | rates | recall | n | seen | Chao2 bias | holds % | coverage bias | holds % | new in n/2, bias "
    yield "| holds % | new in 2n, bias | holds % |\n|" + "---|" * 13 + "\n"
    for shape, size, recall in itertools.product(SHAPES, SIZES, RECALLS):
        world = World(size=size, shape=shape, recall=recall)
        for units in (size // 2, size, 2 * size):
            chao, share, half, twice = estimates(world, units=units, replicates=replicates, chance=chance)
            truth = size * (1 - np.mean((1 - world.rates) ** units))
            columns = [
                f"| {size} | {shape} | {recall} | {units} | {truth:.0f} | {chao.shown(100 / size, ' %')}",
                share.shown(100, " pt"),
                half.shown(1, ""),
                twice.shown(1, ""),
            ]
            yield " | ".join(columns) + " |\n"


def near(*, replicates: int, chance: np.random.Generator) -> Iterator[str]:
    yield "| S | rates | recall | n | ahead | really new | bare: error | holds % | said 0 % | smoothed: error "
    yield "| holds % | said 0 % |\n|" + "---|" * 12 + "\n"
    for shape, size, times, t in itertools.product(SHAPES, (100, 1000), (1, 2), (0.75, 1.0)):
        world, units = World(size=size, shape=shape, recall=0.7), times * size
        ours, bare = Score(errors=[], held=[]), Score(errors=[], held=[])
        truths = []
        for now, truth in _ahead(world, units=units, ahead=int(t * units), replicates=replicates, chance=chance):
            incidence = saturation.tally(now.tolist(), units=units)
            new = saturation.expected_new(incidence, reviews=int(t * units))
            assert new is not None
            ours.add(new.estimate, truth)
            bare.add(_bare(incidence, t), truth)
            truths.append(truth)
        figures = " | ".join(_steady(each, truths) for each in (bare, ours))
        yield f"| {size} | {shape} | 0.7 | {units} | {t:g} n | {np.mean(truths):.0f} | {figures} |\n"


def _ahead(
    world: World, *, units: int, ahead: int, replicates: int, chance: np.random.Generator
) -> Iterator[tuple[np.ndarray, float]]:
    for _ in range(0, replicates, BLOCK):
        seen = world.reviewed(replicates=BLOCK, units=units + ahead, chance=chance)
        now = world.counts(seen[:, seen[1] < units], replicates=BLOCK)
        both = world.counts(seen, replicates=BLOCK)
        yield from zip(now, ((both > 0) & (now == 0)).sum(axis=1).astype(float).tolist(), strict=True)


def _bare(incidence: saturation.Incidence, t: float) -> Estimate:
    """Good and Toulmin's sum, with the same interval."""
    value = max(0.0, -sum((-t) ** j * count for j, count in incidence.frequencies.items()))
    variance = sum(t ** (2 * j) * count for j, count in incidence.frequencies.items()) + value
    reach = saturation.Z * float(np.sqrt(variance))
    return Estimate(value=value, low=max(0.0, value - reach), high=value + reach)


def _steady(score: Score, truths: Sequence[float]) -> str:
    errors = np.array(score.errors)
    nothing = np.mean((errors + truths == 0) & (np.array(truths) > 0))
    return f"{np.sqrt(np.mean(errors**2)):.1f} | {100 * np.mean(score.held):.0f} | {100 * nothing:.0f}"


@dataclass(frozen=True, kw_only=True)
class End:
    """Where a rule ended a campaign: after how many reviews, what was missed, how many came after all were seen."""

    reviews: int
    missed: int
    share: float
    idle: int


def ends(world: World, *, rule: Rule, replicates: int, chance: np.random.Generator) -> tuple[list[End], int]:
    """Follow each campaign to the rule's end, or to 30 reviews per constraint. Returns ends and how many had none."""
    most = max(30 * world.size, 4 * rule.reviews) // STEP * STEP
    found = []
    for _ in range(replicates):
        _, units, constraints = world.reviewed(replicates=1, units=most, chance=chance)
        end = _end(world, rule, units, constraints, most)
        found += [] if end is None else [end]
    return found, replicates - len(found)


def _end(world: World, rule: Rule, units: np.ndarray, constraints: np.ndarray, most: int) -> End | None:
    counts, done = np.zeros(world.size, dtype=int), 0
    firsts = np.full(world.size, most)
    np.minimum.at(firsts, constraints, units)
    for at in range(STEP, most + 1, STEP):
        until = int(np.searchsorted(units, at))
        counts += np.bincount(constraints[done:until], minlength=world.size)
        done = until
        if saturation.stop(saturation.tally(counts.tolist(), units=at), rule=rule).is_met:
            unseen = counts == 0
            share = world.rates[unseen].sum() / world.rates.sum()
            idle = 0 if unseen.any() else at - int(firsts.max()) - 1
            return End(reviews=at, missed=int(unseen.sum()), share=float(share), idle=idle)
    return None


def regret(*, replicates: int, chance: np.random.Generator) -> Iterator[str]:
    yield "| rule | S | rates | recall | reviews at the stop | missed, mean | missed, 95th of 100 | their share of all "
    yield "violations | all were seen | idle reviews then | never met |\n|" + "---|" * 11 + "\n"
    for rule, shape, size, recall in itertools.product(RULES, SHAPES, SIZES, (0.5, 0.95)):
        world = World(size=size, shape=shape, recall=recall)
        found, never = ends(world, rule=rule, replicates=replicates, chance=chance)
        said = f"| {rule.coverage:g}, {rule.expected_new:g} in {rule.reviews} | {size} | {shape} | {recall} | "
        yield said + " | ".join(_ends_shown(found)) + f" | {never} |\n"


def _ends_shown(found: Sequence[End]) -> list[str]:
    if not found:
        return ["none"] + [""] * 5
    complete = [end.idle for end in found if end.missed == 0]
    missed = [end.missed for end in found]
    return [
        f"{np.median([end.reviews for end in found]):.0f}",
        f"{np.mean(missed):.1f}",
        f"{np.percentile(missed, 95):.0f}",
        f"{100 * np.mean([end.share for end in found]):.2f} %",
        f"{100 * len(complete) / len(found):.0f} %",
        f"{np.median(complete):.0f}" if complete else "",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tables: tuple[tuple[Callable[..., Iterator[str]], int], ...] = (
        (table, given.replicates),
        (near, given.replicates),
        (regret, given.replicates // 5),
    )
    for lines, replicates in tables:
        chance = np.random.default_rng(given.seed)
        print(f"\n{replicates} replicates")  # noqa: T201
        for line in lines(replicates=replicates, chance=chance):
            print(line, end="", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
