"""Do the groups find people's own types? `python -m tests.bench.grouping_science [--grid]`, no database.

On three files of people's judgments every type is hidden: all violations are grouped as if they had one tag. Then the
adjusted mutual information (Vinh, Epps and Bailey, 2010) of the groups with the types is set against k-means on the
same reduced features, told the true number of types (mean of five seeds), and against the same groups dealt out at
random (mean of five). What joined no group counts as one group more.

With `--grid` the weight of the shape and the least cosine are tried on a grid. Leave one corpus out: for each file
the setting is taken that was best on the two others, by the mean of ours minus k-means, and only then looked at on the
file itself.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn import cluster, metrics

from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import embedding
from tests.bench import grouping as bench

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
NAMES = ("scarecrow50", "expertqa", "lamp")
SEEDS = range(5)
GRID = [
    grouping.Tuning(shape=shape, alike=alike) for shape, alike in itertools.product((0.02, 0.05, 0.1), (0.05, 0.1, 0.2))
]


class Corpus(NamedTuple):
    items: Sequence[grouping.Item]
    types: Sequence[str]


class Figures(NamedTuple):
    ours: float
    kmeans: float
    spread: float
    chance: float
    groups: int
    placed: float


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--grid", action="store_true")
    is_grid = parser.parse_args().grid
    corpora = {name: read(DATA / f"{name}.jsonl.gz") for name in NAMES}
    print("as shipped", flush=True)  # noqa: T201
    for name, corpus in corpora.items():
        _say(name, measured(corpus, grouping.Tuning()))
    if is_grid:
        leave_one_out(corpora)


def leave_one_out(corpora: Mapping[str, Corpus]) -> None:
    figures = {name: {tuning: measured(corpus, tuning) for tuning in GRID} for name, corpus in corpora.items()}
    print("leave one corpus out")  # noqa: T201
    for name in NAMES:
        chosen = max(GRID, key=lambda tuning: lead(figures, tuning, [each for each in NAMES if each != name]))
        _say(f"{name} shape {chosen.shape} alike {chosen.alike}", figures[name][chosen])


def read(path: Path) -> Corpus:
    tags = bench.read(path)
    pairs = [(item, slug) for slug, items in tags.items() for item in items]
    items = [grouping.Item(number, item.text) for number, (item, _) in enumerate(pairs)]
    return Corpus(items, [slug for _, slug in pairs])


def measured(corpus: Corpus, tuning: grouping.Tuning) -> Figures:
    found = grouping.group(items=corpus.items, tuning=tuning)
    labels = np.full(len(corpus.items), -1)
    for number, group in enumerate(found.groups):
        labels[list(group.members)] = number
    rivals = [score(corpus, each) for each in kmeans(corpus, tuning)]
    dealt = [score(corpus, np.random.default_rng(seed).permutation(labels)) for seed in SEEDS]
    placed = float((labels >= 0).mean())
    ours = score(corpus, labels)
    return Figures(
        ours, float(np.mean(rivals)), float(np.std(rivals)), float(np.mean(dealt)), len(found.groups), placed
    )


def kmeans(corpus: Corpus, tuning: grouping.Tuning) -> list[NDArray[np.int64]]:
    texts = [embedding.fold(item.text) for item in corpus.items]
    vectors = embedding.Space(texts, shape_weight=tuning.shape).vectors(texts)
    points = embedding.reduced(vectors, rank=tuning.rank)
    kinds = len(set(corpus.types))
    return [cluster.KMeans(kinds, n_init=1, random_state=seed).fit_predict(points) for seed in SEEDS]


def score(corpus: Corpus, labels: NDArray[np.int64]) -> float:
    return float(metrics.adjusted_mutual_info_score(corpus.types, labels))


def lead(
    figures: Mapping[str, Mapping[grouping.Tuning, Figures]], tuning: grouping.Tuning, names: Sequence[str]
) -> float:
    return float(np.mean([figures[name][tuning].ours - figures[name][tuning].kmeans for name in names]))


def _say(what: str, found: Figures) -> None:
    print(  # noqa: T201
        f"{what}: ours {found.ours:.3f}, k-means {found.kmeans:.3f} (sd {found.spread:.3f}), "
        f"chance {found.chance:.3f}, {found.groups} groups, {found.placed:.0%} placed",
        flush=True,
    )


if __name__ == "__main__":
    main()
