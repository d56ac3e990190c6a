"""The worlds the methods are tried in: the demo's, the demo's in characters, and one whose sums the base half knows."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from training_bridge.demo import model_files, sizes, world, writing


@dataclass(frozen=True, kw_only=True)
class World:
    """A base model's shape and lessons, and the problems it is asked. `most` is the largest operand."""

    name: str
    shape: model_files.Shape = field(default_factory=model_files.Shape)
    has_words: bool = True
    most: int = 12
    pretrain: Mapping[str, Any]
    max_length: int = 128
    max_new_tokens: int = 48


WORLDS = {
    each.name: each
    for each in (
        # The demo as it stands: a token for each word and number.
        World(name="words", pretrain=sizes.FULL.pretrain),
        # One token for each character.
        World(
            name="characters",
            shape=model_files.Shape(hidden=96, intermediate=264),
            has_words=False,
            pretrain={**sizes.FULL.pretrain, "max_steps": 1000, "max_length": 256},
            max_length=256,
            max_new_tokens=96,
        ),
        # Half the problems are the demo's, half have operands up to 99, too many sums to learn by heart: there even the
        # greedy answer is often wrong, and 64 tries do not always find the right one.
        World(name="hard", most=99, pretrain=sizes.FULL.pretrain),
        # Seconds, for the tests.
        World(
            name="mini",
            shape=sizes.MINI.shape,
            pretrain={**sizes.MINI.pretrain, "batch_size": 16},
            max_new_tokens=20,
        ),
    )
}


def problems(place: World, pool: str, *, seed: int, count: int) -> list[world.Problem]:
    """`count` distinct problems of a pool (demo/world.py: disjoint by the prompt's hash); the same seed, the same."""
    found = world.problems(pool, seed=seed) if place.most == 12 else _larger(place.most, pool, seed)
    return list(islice(found, count))


def _larger(most: int, pool: str, seed: int) -> Iterator[world.Problem]:
    rng = random.Random(f"{pool} {seed} up to {most}")
    seen: set[str] = set()
    while True:
        kind = rng.choice(tuple(world.KINDS))
        largest = rng.choice((12, most))
        first, second = rng.randint(2, largest), rng.randint(2, largest)
        problem = world.Problem(
            kind=kind,
            name=rng.choice(world.NAMES),
            first=first if world.KINDS[kind].sign == "+" else first + second,
            second=second,
            unit=rng.choice(world.KINDS[kind].units),
            rule=rng.choice(tuple(world.RULES)),
        )
        if problem.prompt not in seen and world.pool_of(problem.prompt) == pool:
            seen.add(problem.prompt)
            yield problem


def lessons(place: World, *, seed: int, count: int) -> Iterator[dict[str, str]]:
    """What the base learns: right answers with the demo's faults planted in them."""
    rng = random.Random(f"planted {seed}")
    for each in problems(place, world.PRETRAIN, seed=seed, count=count):
        yield {"prompt": each.prompt, "completion": writing.write(each, rng, sizes.FULL.rates)}


def write_start(place: World, folder: Path) -> None:
    """config.json and a tokenizer, before training."""
    model_files.write(folder=folder, shape=place.shape)
    if not place.has_words:
        _take_words_out(folder)


def _take_words_out(folder: Path) -> None:
    """Without merges every text falls apart into characters; the tokens that merges made go."""
    tokens = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    made = {left + right for left, right in tokens["model"]["merges"]}
    kept = [token for token in tokens["model"]["vocab"] if token not in made]
    tokens["model"]["vocab"] = {token: number for number, token in enumerate(kept)}
    tokens["model"]["merges"] = []
    (folder / "tokenizer.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": len(kept)}), encoding="utf-8")
