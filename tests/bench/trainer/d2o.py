"""D2O, each prompt computed once for its 1 + K answers against once for each answer: both ours, both packed.

Random token ids: prompts of one length, a rejected answer and K = 8 anchors of half to one and a half times
`answer_tokens`. Rounds turn by turn, each way in a process of its own; the losses of both must be the same to rounding.
Seconds are those of training; the reference's are told apart.
"""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.trainer import base, figures, process

ANCHORS = 8
WAYS = ("shared", "unshared")


@dataclass(frozen=True, kw_only=True)
class Options:
    """`prompts` in each of `rounds`, two in a step."""

    threads: int
    prompts: int = 32
    rounds: int = 3
    prompt_tokens: int = 512
    answer_tokens: int = 96
    vocabulary: int = base.VOCABULARY


def measure(*, folder: Path, options: Options) -> dict[str, Any]:
    """Print and return what each way took. Raises SystemExit where one did not end, or the losses are not the same."""
    base.build(folder=folder / "base", texts=["no text is needed here"], vocabulary=options.vocabulary)
    rows = drawn(options)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in WAYS:
            asked = {
                "run": str(folder / f"{way}-{number}" / "run"),
                "base": str(folder / "base"),
                "rows": rows,
                "way": way,
            }
            work = folder / "work" / f"{way}-{number}"
            ended = process.run(
                module="tests.bench.trainer.d2o_ours", asked=asked, folder=work, threads=options.threads
            )
            if ended.problem:
                raise SystemExit(f"{way}: {ended.problem}")
            found[way].append(ended.answer)
    shared, unshared = (found[way] for way in WAYS)
    largest = figures.largest_difference(shared[0]["losses"], unshared[0]["losses"])
    if largest > 1e-3:
        raise SystemExit(f"with and without shared prompts the losses differ by {largest:.1e}: nothing is compared")
    tokens = {way: found[way][0]["line_tokens"] for way in WAYS}
    say(
        f"{options.prompts} prompts of {options.prompt_tokens} tokens, K = {ANCHORS}, answers of "
        f"{options.answer_tokens} tokens on average, {options.threads} threads; tokens through the model "
        f"{tokens['unshared'] / tokens['shared']:.2f} times as many without sharing"
    )
    for name, clock in (("wall", "wall"), ("processor seconds", "cpu")):
        ratio = figures.ratio(ours=speeds(shared, clock), theirs=speeds(unshared, clock))
        say(f"  {ratio} rows/s in training by {name}")
    for way in WAYS:
        say(f"  {way}: {told(found[way])}")
    say(f"  largest difference of the losses {largest:.1e}")
    return {"rounds": found, "largest_difference": largest}


def drawn(options: Options) -> list[dict[str, list[Any]]]:
    """Rows {prompt, answers}: the rejected answer first, then the anchors."""
    chance = random.Random("d2o")

    def ids(count: int) -> list[int]:
        return [chance.randrange(2, options.vocabulary) for _ in range(count)]

    least, most = options.answer_tokens // 2, options.answer_tokens * 3 // 2
    return [
        {
            "prompt": ids(options.prompt_tokens),
            "answers": [ids(chance.randint(least, most)) for _ in range(ANCHORS + 1)],
        }
        for _ in range(options.prompts)
    ]


def speeds(runs: list[dict[str, Any]], clock: str) -> list[float]:
    return [each["rows"] / each[clock]["training"] for each in runs]


def told(runs: list[dict[str, Any]]) -> str:
    def middle(part: str) -> float:
        return statistics.median(float(each["wall"][part]) for each in runs)

    peak, above = (statistics.median(each["peak_mib"] - less * each["loaded_mib"] for each in runs) for less in (0, 1))
    return (
        f"training {middle('training'):.1f} s, reference {middle('reference'):.1f} s, peak memory {peak:.0f} MiB, "
        f"{above:.0f} above the loaded model"
    )


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201
