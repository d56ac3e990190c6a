"""A new kind of violation arrives: does it found a group, or do old groups take it? Part of grouping_science.py.

One of people's types is kept back, and so is a fifth of the others; what is left is grouped. Then the type and the
fifth arrive together, in one portion or in ten, as regrouping brings them: beside what was left over, against the texts
that tell the old groups. So for every type with at least 5 violations and 3 % of its file; shares are means over types.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import embedding
from annotate.constraints.grouping.clustering import Anchor, Item, Tuning

SHIPPED = Tuning()
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("scarecrow50", "expertqa", "lamp")
AROUND = 60
"""Characters each side of a mark."""
WINDOW = 1000
"""How many left-overs are looked at again, and how many violations tell which words are common."""
Labels = NDArray[np.int64]


class Corpus(NamedTuple):
    """Violations, with the type, the output, the text before and behind the mark, and the severity of each.

    The id of each is its place.
    """

    items: Sequence[Item]
    types: NDArray[np.str_]
    outputs: Labels
    around: Sequence[tuple[str, str]]
    severities: Sequence[str]


class Arrival(NamedTuple):
    """Shares: of the new kind in old groups, in new ones, in the rest; of known kinds the same, and of those in old
    groups the share where the group's commonest type is theirs."""

    new_old: float
    new_new: float
    new_rest: float
    known_old: float
    known_new: float
    known_rest: float
    right: float


def read(name: str) -> Corpus:
    rows = []
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            record = json.loads(line)
            rows += [(number, record["output"], mark) for each in record["annotations"] for mark in each["tags"]]
    found = [_item(place, output, mark) for place, (_, output, mark) in enumerate(rows)]
    return Corpus(
        [item for item, _ in found],
        np.array([mark["type"] for *_, mark in rows]),
        np.array([output for output, *_ in rows]),
        [around for _, around in found],
        [str(mark.get("severity")) for *_, mark in rows],
    )


def _item(place: int, output: str, mark: Mapping[str, object]) -> tuple[Item, tuple[str, str]]:
    start, end = mark.get("start"), mark.get("end")
    critique, correction = str(mark.get("comment") or ""), str(mark.get("edited") or "")
    if not isinstance(start, int) or not isinstance(end, int):
        return Item(place, embedding.Text(critique, "", correction)), ("", "")
    around = output[max(0, start - AROUND) : start], output[end : end + AROUND]
    return Item(place, embedding.Text(critique, output[start:end], correction)), around


def say(corpora: Mapping[str, Corpus], *, tuning: Tuning = SHIPPED, portions: Sequence[int] = (1, 10)) -> None:
    for name, corpus in corpora.items():
        for count in portions:
            found = of_all(corpus, tuning, portions=count)
            shares = f"new kind {_said(found[:3])}; known kinds {_said(found[3:6])}, right {found.right:.0%}"
            print(f"{name} in {count} (old, new, rest): {shares}", flush=True)  # noqa: T201


def _said(shares: Sequence[float]) -> str:
    return ", ".join(f"{each:.0%}" for each in shares)


def of_all(corpus: Corpus, tuning: Tuning, *, portions: int = 1) -> Arrival:
    counted = Counter(corpus.types.tolist())
    kinds = sorted(kind for kind, count in counted.items() if count >= max(5, 0.03 * len(corpus.types)))
    return Arrival(*np.nanmean([arrival(corpus, kind, tuning, portions=portions) for kind in kinds], axis=0).tolist())


def arrival(corpus: Corpus, kind: str, tuning: Tuning, *, portions: int) -> Arrival:
    pick = np.random.default_rng(0)
    new = np.flatnonzero(corpus.types == kind)
    known = pick.permutation(np.flatnonzero(corpus.types != kind))
    later, before = known[: len(known) // 5], known[len(known) // 5 :]
    world = World(corpus, tuning)
    world.bring(before)
    first = world.where(before)
    olds = len(world.anchors)
    types = [Counter(corpus.types[before[first == key]].tolist()).most_common(1)[0][0] for key in range(olds)]
    for portion in np.array_split(pick.permutation(np.concatenate([new, later])), portions):
        world.bring(portion)
    told = world.where(later)
    right = [types[key] == corpus.types[row] for key, row in zip(told, later, strict=True) if 0 <= key < olds]
    return Arrival(*_shares(world.where(new), olds), *_shares(told, olds), float(np.mean(right)) if right else math.nan)


def _shares(told: Labels, olds: int) -> tuple[float, float, float]:
    return float(((told >= 0) & (told < olds)).mean()), float((told >= olds).mean()), float((told < 0).mean())


class World:
    """A tag that violations come to, portion by portion."""

    def __init__(self, corpus: Corpus, tuning: Tuning) -> None:
        self.corpus, self.tuning = corpus, tuning
        self.place: dict[int, int] = {}
        self.anchors: list[Anchor] = []
        self.seen: list[int] = []

    def bring(self, rows: Labels) -> None:
        again = [row for row in self.seen if row not in self.place][-WINDOW:]
        self.seen += rows.tolist()
        found = grouping.group(
            items=[self.corpus.items[row] for row in [*rows.tolist(), *again]],
            anchors=self.anchors,
            background=[self.corpus.items[row].text for row in self.seen[-WINDOW:]],
            least=grouping.smallest(len(self.seen)),
            most=grouping.MOST_GROUPS - len(self.anchors),
            tuning=self.tuning,
        )
        self.place |= {id_: key for id_, (key, _) in found.joined.items()}
        for group in found.groups:
            self._found(group)

    def _found(self, group: grouping.Group) -> None:
        key = len(self.anchors)
        nearest = sorted(group.members, key=lambda id_: (-group.members[id_], id_))[: grouping.EXEMPLARS]
        self.anchors.append(Anchor(key, [self.corpus.items[id_].text for id_ in nearest]))
        self.place |= dict.fromkeys(group.members, key)

    def where(self, rows: Labels) -> Labels:
        return np.array([self.place.get(row, -1) for row in rows.tolist()])
