"""Which cells are run, and with what settings. Every method takes STEPS steps of ROWS rows unless it says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.science import cells
from training_bridge.formats import defaults as formats

Results = Mapping[str, Mapping[str, Any]]

STEPS, ROWS = 60, 16
SEEDS = (1, 2, 3, 4, 5)
# What was chosen on those is tried on these, by which nothing was chosen.
FRESH_SEEDS = (6, 7, 8, 9, 10)
# Rates are chosen in one world, on one seed, by problems that are in no table.
TUNED_IN, TUNED_ON = "words", (1,)
RATES = (5e-5, 2e-4, 8e-4)
# What the guard is tried with: a rate so many times the chosen one.
TOO_FAST = 4
MASK_RATES = (1e-4, 3e-4, 2e-5, 5e-6)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A method as it is compared: what a reader calls it, and what its spec says beside the rate."""

    name: str
    method: str
    is_rejected_only: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)


WAYS = (
    Way(name="KTO, both labels", method="kto"),
    Way(name="KTO, rejected only", method="kto", is_rejected_only=True),
    Way(name="D2O, K = 4", method="d2o"),
    Way(name="NPO + retain", method="npo", hyperparameters={"retain_weight": 1.0}),
    Way(name="SimNPO + retain", method="simnpo", hyperparameters={"retain_weight": 1.0, "beta": 2.5}),
    Way(name="unlikelihood + retain", method="unlikelihood", hyperparameters={"retain_weight": 1.0}),
    Way(
        name="gradient ascent",
        method="gradient_ascent",
        hyperparameters={"mismatch_weight": 0.0, "divergence_weight": 0.0},
    ),
    Way(name="SFT on accepted", method="sft"),
    Way(name="BNF", method="bnf"),
    Way(name="CUT, with critiques", method="cut"),
    Way(name="DPO on corrections", method="dpo"),
    Way(name="ORPO on corrections", method="orpo"),
)
# As its paper has it, where the defaults have a retain term.
PUBLISHED_GUARDS = Way(
    name="gradient ascent, its paper's guards",
    method="gradient_ascent",
    hyperparameters={"mismatch_weight": 2.0, "divergence_weight": 2.0, "retain_weight": 0.0},
)
# The methods that the claim about pass@k is about; the others come after them.
CORE = tuple(way for way in WAYS if way.name.startswith(("KTO, both", "D2O", "NPO", "gradient", "SFT")))
# Their answers are drawn anew in every step, four to a prompt, and judged by the demo's truth. A right answer counts
# nothing, a tenth of a wrong one, and a thousand times as much, which leaves the right ones alone to speak.
FRESH = {"rollouts": 4}
NSR = Way(name="NSR", method="nsr", hyperparameters=FRESH)
ON_POLICY = (
    NSR,
    Way(name="W-REINFORCE", method="w_reinforce", hyperparameters={**FRESH, "right_weight": 0.1}),
    Way(name="positive-only, on-policy", method="w_reinforce", hyperparameters={**FRESH, "right_weight": 1000.0}),
)
MASKED = (
    Way(name="D2O", method="d2o"),
    Way(name="NPO", method="npo"),
    Way(name="KTO, rejected only", method="kto", is_rejected_only=True),
)


def base(world: str, seeds: Sequence[int]) -> Iterator[cells.Cell]:
    """The bases as they are."""
    for seed in seeds:
        yield cells.Cell(world=world, seed=seed, label="base", has_tries=True)


def tuning(world: str, seeds: Sequence[int]) -> Iterator[cells.Cell]:
    """Every method at every rate, on the seeds by which its rate is chosen. The on-policy ones take NSR's."""
    for seed in [each for each in seeds if each in TUNED_ON]:
        for way in (*WAYS, NSR):
            for rate in RATES:
                yield cell(world, seed, way, rate=rate)


def masks(world: str, seeds: Sequence[int]) -> Iterator[cells.Cell]:
    """Marked spans against whole answers, without a retain term or a guard."""
    for rate in MASK_RATES:
        for seed in seeds:
            for way in MASKED:
                for part in ("spans", "whole"):
                    yield cell(world, seed, way, rate=rate, part=part, span_mask=part == "spans")


def compared(world: str, seeds: Sequence[int], results: Results, *, ways: Sequence[Way]) -> Iterator[cells.Cell]:
    """Every method at its chosen rate, on every seed; where the greedy answer is not always right, with TRIES draws."""
    for seed in seeds:
        for way in ways:
            rate = chosen_rate(way, results)
            if rate is not None:
                yield compared_cell(world, seed, way, rate=rate)


def compared_cell(world: str, seed: int, way: Way, *, rate: float) -> cells.Cell:
    return cell(world, seed, way, rate=rate, has_tries=world == "hard")


def chosen_rate(way: Way, results: Results) -> float | None:
    """The rate with the largest mean clean share on the problems set aside for this; None before all are tuned."""
    means = {}
    way = NSR if way in ON_POLICY else way
    for rate in RATES:
        found = [results.get(cell(TUNED_IN, seed, way, rate=rate).key) for seed in TUNED_ON]
        if any(each is None for each in found):
            return None
        means[rate] = sum(each.get("chosen", 0.0) for each in found if each) / len(found)
    return max(means, key=means.__getitem__)


def guarded(world: str, seeds: Sequence[int], results: Results) -> Iterator[cells.Cell]:
    """Every method that can be watched, at TOO_FAST times its chosen rate: the guard has something to do."""
    for seed in seeds:
        for way in WAYS:
            rate = chosen_rate(way, results)
            if rate is not None and not way.is_rejected_only:
                yield guarded_cell(world, seed, way, rate=rate)


def guarded_cell(world: str, seed: int, way: Way, *, rate: float) -> cells.Cell:
    first = formats.of(way.method, parameters=formats.SMALL_SIZE)
    guard = {name: first[name] for name in ("stop_below", "hold_out") if name in first}
    return cell(world, seed, way, rate=rate * TOO_FAST, part="guarded", **guard)


def defaults(world: str, seeds: Sequence[int]) -> Iterator[cells.Cell]:
    """Every method with what formats/defaults.py gives a run of this size."""
    for way in (*WAYS, *ON_POLICY[:2], PUBLISHED_GUARDS):
        for seed in seeds:
            yield default_cell(world, seed, way)


def default_cell(world: str, seed: int, way: Way) -> cells.Cell:
    first = formats.of(way.method, parameters=formats.SMALL_SIZE, has_accepted=not way.is_rejected_only)
    if way == PUBLISHED_GUARDS:
        first |= way.hyperparameters
    plain = Way(name=way.name, method=way.method, is_rejected_only=way.is_rejected_only)
    return cell(world, seed, plain, rate=first.pop("learning_rate"), part="default", **first)


def cell(
    world: str, seed: int, way: Way, *, rate: float, part: str = "", has_tries: bool = False, **more: Any
) -> cells.Cell:
    name = f"{way.name} {part}".strip()
    return cells.Cell(
        world=world,
        seed=seed,
        label=f"{name} @{rate:g}" + (" tries" if has_tries else ""),
        method=way.method,
        is_rejected_only=way.is_rejected_only,
        has_tries=has_tries,
        hyperparameters={
            "max_steps": STEPS,
            "batch_size": ROWS,
            **way.hyperparameters,
            "learning_rate": rate,
            **more,
        },
    )
