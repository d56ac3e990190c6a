"""How far pairs of constraints are told apart that are one: `python -m tests.bench.merging_science`, no database.

Texts: each tag of five files of people's judgments is grouped as shipped. Every group of at least twelve violations is
dealt out at random to two halves, three times: the halves of one group are a pair to be merged, halves of groups of two
types are not (those of two groups of one type are left out: nobody said). Each half is told as a constraint is: by
those of its violations that are nearest to its most typical one, which its statement is drafted from.

Together: in three files whose outputs several people judged, the people are dealt out to two camps, three times, which
call every type by a name of their own. The two names of one type are a pair to be merged, names of two types are not.

Prints, for each threshold, the share of pairs to be merged that it proposes, and that of the others.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotate.constraints.grouping import clustering, embedding, statements
from annotate.constraints.grouping.clustering import Item
from annotate.constraints.merging import pairs
from tests.bench import grouping as bench

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TEXTS = ("scarecrow50", "expertqa", "lamp", "fgrlhf_dev", "lspan_d2t")
TOGETHER = ("wmt_sxs23-ende", "lspan_d2t", "lamp")
DRAWS, LEAST, GROUPS_AT_MOST, HALF_AT_MOST = 3, 12, 40, 100
COSINES = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
PHIS = (0.2, 0.3, 0.4, 0.5, 0.6)

Floats = NDArray[np.float64]


class Half(NamedTuple):
    group: int
    type: str
    statement: str
    members: Sequence[str]


class Seen(NamedTuple):
    """Whether each pair that counts is to be merged, and what speaks for it, by name."""

    is_one: NDArray[np.bool_]
    evidence: dict[str, Floats]


def main() -> None:
    for name in TEXTS:
        groups = grouped(DATA / f"{name}.jsonl.gz")
        say(name, joined(of_texts(groups, random.Random(seed)) for seed in range(DRAWS)), COSINES)
    for name in TOGETHER:
        rows = judged(DATA / f"{name}.jsonl.gz")
        say(name, joined(of_camps(rows, random.Random(seed)) for seed in range(DRAWS)), PHIS)


def grouped(path: Path) -> list[tuple[str, list[Item]]]:
    """Return the groups of each tag, as shipped, that are large enough."""
    found = []
    for slug, items in sorted(bench.read(path).items()):
        by_id = {each.id: each for each in items}
        groups = clustering.group(items=items).groups
        found += [(slug, [by_id[id_] for id_ in sorted(each.members)]) for each in groups if len(each.members) >= LEAST]
    return found


def of_texts(groups: Sequence[tuple[str, Sequence[Item]]], pick: random.Random) -> Seen:
    halves = list(_halves(groups, pick))
    alike = {
        "medoid": pairs.alike([each.members[:1] for each in halves]),
        "members": pairs.alike([each.members for each in halves]),
        "statement": pairs.alike([[each.statement] for each in halves]),
    }
    places = [
        (one, other)
        for one, other in itertools.combinations(range(len(halves)), 2)
        if halves[one].group == halves[other].group or halves[one].type != halves[other].type
    ]
    is_one = np.array([halves[one].group == halves[other].group for one, other in places])
    return Seen(is_one, {name: values[tuple(zip(*places, strict=True))] for name, values in alike.items()})


def _halves(groups: Sequence[tuple[str, Sequence[Item]]], pick: random.Random) -> Iterator[Half]:
    for number, (slug, items) in enumerate(pick.sample(groups, min(len(groups), GROUPS_AT_MOST))):
        dealt = pick.sample(items, min(len(items), 2 * HALF_AT_MOST))
        for half in (dealt[: len(dealt) // 2], dealt[len(dealt) // 2 :]):
            near = [each.text for each in nearest(half, count=pairs.TOLD)]
            drafted = statements.draft(tag="", text=near[0])
            yield Half(number, slug, drafted, [pairs.text(each)[: pairs.LONGEST] for each in near])


def nearest(items: Sequence[Item], *, count: int) -> list[Item]:
    """Return the medoid and those nearest to it."""
    medoid = clustering.medoid(items)
    texts = [embedding.fold(each.text) for each in items]
    vectors = embedding.Space(texts).vectors(texts)
    place = next(place for place, each in enumerate(items) if each.id == medoid)
    alike = embedding.cosines(vectors, vectors[place])[:, 0]
    alike[place] = 2.0
    return [items[place] for place in np.argsort(-alike, kind="stable")[:count]]


def judged(path: Path) -> list[tuple[str, str, frozenset[str]]]:
    """Return (output, annotator, types applied) of every annotation of an output that several judged."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [record for record in map(json.loads, lines) if len(record["annotations"]) > 1]
    return [
        (record["id"], each["annotator"], frozenset(mark["type"] for mark in each["tags"]))
        for record in records
        for each in record["annotations"]
    ]


def of_camps(rows: Sequence[tuple[str, str, frozenset[str]]], pick: random.Random) -> Seen:
    """The evidence is phi, 0 where fewer outputs than SHARED have both: those are not proposed."""
    people = sorted({annotator for _, annotator, _ in rows})
    camp = {each: number % 2 for number, each in enumerate(pick.sample(people, len(people)))}
    held: dict[tuple[str, int], set[str]] = defaultdict(set)
    for output, annotator, types in rows:
        for each in types:
            held[each, camp[annotator]].add(output)
    outputs = len({output for output, _, _ in rows})
    names = sorted(each for each in held if len(held[each]) >= LEAST)
    is_one, values = [], []
    for one, other in itertools.combinations(names, 2):
        both = len(held[one] & held[other])
        is_one.append(one[0] == other[0])
        shared = pairs.Shared(both, len(held[one]), len(held[other]), outputs)
        values.append(pairs.phi(shared) if both >= pairs.SHARED else 0.0)
    return Seen(np.array(is_one), {"phi": np.array(values)})


def joined(draws: Iterator[Seen]) -> Seen:
    every = list(draws)
    names = every[0].evidence
    return Seen(
        np.concatenate([each.is_one for each in every]),
        {name: np.concatenate([each.evidence[name] for each in every]) for name in names},
    )


def say(name: str, found: Seen, thresholds: Sequence[float]) -> None:
    is_one = found.is_one
    print(f"{name}: {is_one.sum()} pairs that are one, {(~is_one).sum()} that are not", flush=True)  # noqa: T201
    for evidence, values in found.evidence.items():
        shares = (
            f"{at:.2f} {100 * (values[is_one] >= at).mean():.0f}/{100 * (values[~is_one] >= at).mean():.2f} %"
            for at in thresholds
        )
        print(f"  {evidence}: {'; '.join(shares)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
