"""Do the groups find people's own types? `python -m tests.bench.grouping_science [PART ...]`, no database.

On three files of people's judgments every type is hidden: all violations are grouped as if they had one tag.

types: the adjusted mutual information (Vinh, Epps and Bailey, 2010) of the groups with the types, against k-means on
the same points that is told the true number of types (mean of its seeds) and against the same groups dealt out at
random. What joined no group counts as one group more, or each goes to the nearest group. The interval is of ours minus
k-means: outputs are drawn again with replacement, with both partitions as they are, k-means of a seed drawn each time.

arrival (grouping_arrival.py): one type is kept back and brought later. Where does it go?

held-out: leave one corpus out. For each file the setting is taken that was best on the two others, by the mean of ours
minus k-means (of both scores); only then is it looked at on the file itself.

features: the same with the text around the mark, and with the severity.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn import cluster, metrics

from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping import embedding
from annotate.constraints.grouping.clustering import Tuning
from tests.bench import grouping_arrival
from tests.bench.grouping_arrival import NAMES, Corpus, Labels

SEEDS = range(10)
DRAWS = 200
GRID = [
    Tuning(shape=shape, rank=rank, alike=alike)
    for shape, rank, alike in itertools.product((0.02, 0.05), (16, 32), (0.3, 0.4, 0.5))
]


class Types(NamedTuple):
    rest: float
    filled: float
    kmeans: float
    spread: float
    low: float
    high: float
    chance: float
    groups: int
    placed: float


def main() -> None:
    parts = {"types": say_types, "arrival": grouping_arrival.say, "held-out": say_held_out, "features": say_features}
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=list(parts))
    chosen = parser.parse_args().parts
    corpora = {name: grouping_arrival.read(name) for name in NAMES}
    for part in chosen:
        started = time.process_time()
        print(part, flush=True)  # noqa: T201
        parts[part](corpora)
        print(f"{time.process_time() - started:.0f} s CPU", flush=True)  # noqa: T201


def say_types(corpora: Mapping[str, Corpus]) -> None:
    for name, corpus in corpora.items():
        _say(name, measured(corpus, points(corpus, Tuning()), Tuning()))


def points(corpus: Corpus, tuning: Tuning) -> embedding.Points:
    texts = [embedding.fold(item.text) for item in corpus.items]
    space = grouping.space_of(sorted(texts), tuning=tuning)
    return space.points(space.vectors(texts))


def measured(corpus: Corpus, at: embedding.Points, tuning: Tuning, *, draws: int = DRAWS) -> Types:
    near = partition(at, tuning)
    rivals = kmeans(corpus, at)
    scores = [score(corpus, each) for each in rivals]
    dealt = [score(corpus, np.random.default_rng(seed).permutation(near.place)) for seed in SEEDS]
    low, high = interval(corpus, near.place, rivals, draws=draws) if draws else (math.nan, math.nan)
    return Types(
        score(corpus, near.place),
        score(corpus, _filled(at, near.place)),
        float(np.mean(scores)),
        float(np.std(scores)),
        low,
        high,
        float(np.mean(dealt)),
        int(near.place.max()) + 1,
        float((near.place >= 0).mean()),
    )


def partition(at: embedding.Points, tuning: Tuning) -> grouping.Near:
    """What clustering.group does with the points of new violations."""
    least = grouping.smallest(len(at))
    founded = grouping.centres([at[rows] for rows in grouping.dense(at, least=least)], width=at.shape[1])
    new = founded[: grouping.MOST_GROUPS]
    return grouping.settled(at, old=at[:0], new=new, least=least, alike=tuning.alike)


def _filled(at: embedding.Points, labels: Labels) -> Labels:
    members = [at[labels == each] for each in range(int(labels.max()) + 1)]
    near = grouping.nearest(at, old=at[:0], new=grouping.centres(members, width=at.shape[1]))
    return np.where(labels >= 0, labels, near.place)


def kmeans(corpus: Corpus, at: embedding.Points) -> list[Labels]:
    kinds = len(set(corpus.types))
    return [cluster.KMeans(kinds, n_init=1, random_state=seed).fit_predict(at) for seed in SEEDS]


def score(corpus: Corpus, labels: Labels) -> float:
    return float(metrics.adjusted_mutual_info_score(corpus.types, labels))


def interval(corpus: Corpus, ours: Labels, rivals: Sequence[Labels], *, draws: int) -> tuple[float, float]:
    pick = np.random.default_rng(0)
    rows_of = [np.flatnonzero(corpus.outputs == each) for each in np.unique(corpus.outputs)]
    found = []
    for _ in range(draws):
        drawn = np.concatenate([rows_of[each] for each in pick.integers(0, len(rows_of), len(rows_of))])
        rival = rivals[int(pick.integers(len(rivals)))]
        scores = [metrics.adjusted_mutual_info_score(corpus.types[drawn], each[drawn]) for each in (ours, rival)]
        found.append(scores[0] - scores[1])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def say_held_out(corpora: Mapping[str, Corpus]) -> None:
    leads = {name: leads_of(corpus) for name, corpus in corpora.items()}
    for left_out, corpus in corpora.items():
        chosen = best(leads, [name for name in NAMES if name != left_out])[0]
        _say(f"{left_out}, {_named(chosen)}", measured(corpus, points(corpus, chosen), chosen))
    for tuning in best(leads, NAMES):
        of = ", ".join(f"{name} {leads[name][tuning]:+.3f}" for name in NAMES)
        print(f"{_named(tuning)}: {of}", flush=True)  # noqa: T201


def best(leads: Mapping[str, Mapping[Tuning, float]], names: Sequence[str]) -> list[Tuning]:
    return sorted(GRID, key=lambda tuning: -sum(leads[name][tuning] for name in names))


def leads_of(corpus: Corpus) -> dict[Tuning, float]:
    found = {}
    for (shape, rank), tunings in itertools.groupby(GRID, key=lambda tuning: (tuning.shape, tuning.rank)):
        at = points(corpus, Tuning(shape=shape, rank=rank))
        rival = float(np.mean([score(corpus, each) for each in kmeans(corpus, at)]))
        for tuning in tunings:
            labels = partition(at, tuning).place
            found[tuning] = (score(corpus, labels) + score(corpus, _filled(at, labels))) / 2 - rival
    return found


def say_features(corpora: Mapping[str, Corpus]) -> None:
    for name, corpus in corpora.items():
        for around, severity in ((0.0, 0.0), (0.05, 0.0), (0.15, 0.0), (0.0, 0.02)):
            at = wider(corpus, around=around, severity=severity)
            _say(f"{name}, {around:.0%} each side, severity {severity:.0%}", measured(corpus, at, Tuning(), draws=0))


def wider(corpus: Corpus, *, around: float, severity: float) -> embedding.Points:
    """Points from what is shipped, the text on both sides of the mark, and the severity."""
    texts = [embedding.fold(item.text) for item in corpus.items]
    parts = [grouping.space_of(sorted(texts)).whole(texts)]
    for side in (0, 1) if around else ():
        told = [embedding.fold(embedding.Text(quote=each[side])).quote for each in corpus.around]
        parts.append(embedding.Grams(told).vectors(told) * math.sqrt(around))
    if severity:
        _, codes = np.unique(corpus.severities, return_inverse=True)
        parts.append(sparse.csr_matrix(np.eye(codes.max() + 1)[codes] * math.sqrt(severity)))
    vectors = embedding.unit(sparse.hstack(parts, format="csr"))
    shared = vectors[:, np.flatnonzero(np.bincount(vectors.indices, minlength=vectors.shape[1]) >= 2)]
    return embedding.unit_rows(shared @ embedding.directions(shared, rank=embedding.RANK))


def _named(tuning: Tuning) -> str:
    return f"shape {tuning.shape} rank {tuning.rank} alike {tuning.alike}"


def _say(what: str, found: Types) -> None:
    print(  # noqa: T201
        f"{what}: rest as a group {found.rest:.3f}, rest to the nearest {found.filled:.3f}, k-means {found.kmeans:.3f} "
        f"(sd {found.spread:.3f}), ours minus k-means {found.low:+.3f} to {found.high:+.3f}, "
        f"chance {found.chance:.3f}, {found.groups} groups, {found.placed:.0%} placed",
        flush=True,
    )


if __name__ == "__main__":
    main()
