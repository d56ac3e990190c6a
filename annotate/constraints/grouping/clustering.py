"""Find the discrete prohibitions behind the violations of one tag. Pure: plain values in, plain values out.

Groups are looked for among at most SAMPLE violations (chosen by a hash of text and id, so the choice depends on
nothing else): their vectors (embedding.py) are reduced to RANK directions, and HDBSCAN (Campello, Moulavi and Sander,
2013; scikit-learn's) finds where they lie densely, taking the leaves of its tree. Every violation then goes to the
nearest centre of such a place, or to none when that is farther than ALIKE. A living group is told by texts in the same
way, by at most EXEMPLARS of its nearest members, so what joins an old group and what founds a new one are measured with
one ruler.

Time is O(SAMPLE^2 + n * groups) and memory O(SAMPLE * RANK + CHUNK * groups), besides the items themselves.
docs/grouping.md says how the settings were chosen and how groups compare with people's own types.

Everything is done in the order of the texts, so the order of the input changes nothing, to the last bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from annotate.constraints.grouping import embedding
from annotate.constraints.grouping.embedding import Text, fold

SAMPLE = 3000
CHUNK = 4096
RANK = 32
NEIGHBOURS = 2
"""HDBSCAN's min_samples: how many violations must be near for a place to be dense."""
EXEMPLARS = 32
"""How many of its members tell a living group."""
ALIKE = 0.1
"""A violation joins a group when its cosine to the group's centre is at least this."""
MOST_GROUPS = 48


@dataclass(frozen=True, slots=True)
class Item:
    """One violation."""

    id: int
    text: Text


@dataclass(frozen=True, slots=True)
class Anchor:
    """Texts that tell a living group `key`: their centre stands for it. A group may have several anchors."""

    key: int
    texts: Sequence[Text]


@dataclass(frozen=True, slots=True)
class Group:
    """A new group. `members` maps violation ids to their cosine to its centre; the medoid is nearest of all."""

    medoid: int
    members: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Grouped:
    """`joined` maps ids to (anchor key, cosine); `groups` are new, largest first; `rest` belongs to no group."""

    joined: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    rest: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What the science bench varies."""

    shape: float = embedding.SHAPE
    rank: int = RANK
    alike: float = ALIKE


Spoken = Sequence[tuple[Text, int]]  # folded text and id, in their order


def smallest(count: int) -> int:
    """How many members a new group needs in a tag of `count` violations: 3 up to 63, 22 of 2,000, 158 of 100,000."""
    return max(3, math.isqrt(count) // 2)


def group(
    *,
    items: Sequence[Item],
    anchors: Sequence[Anchor] = (),
    background: Sequence[Text] = (),
    least: int | None = None,
    most: int = MOST_GROUPS,
    tuning: Tuning = Tuning(),
) -> Grouped:
    """Let `items` join the nearest anchor, and find at most `most` new groups of `least` or more among the others.

    `background` are further texts of the tag that say which words are common in it. Ids must be distinct.
    """
    folded = {item.id: fold(item.text) for item in items}
    spoken = sorted((text, id_) for id_, text in folded.items() if any(text))
    if not spoken:
        return Grouped(rest=sorted(folded))
    common = sample([*spoken, *((fold(text), 0) for text in background if any(fold(text)))])
    space = embedding.Space([text for text, _ in common], shape_weight=tuning.shape)
    joined = _joined(space, spoken, anchors, tuning)
    free = [each for each in spoken if each[1] not in joined]
    groups = _new_groups(space, free, least=smallest(len(items)) if least is None else least, most=most, tuning=tuning)
    taken = joined.keys() | {id_ for each in groups for id_ in each.members}
    return Grouped(joined=joined, groups=groups, rest=sorted(folded.keys() - taken))


def medoid(items: Sequence[Item]) -> int | None:
    """Return the id of the item nearest to all others (of a sample, when there are many); None without any text."""
    spoken = sample(sorted((fold(item.text), item.id) for item in items if any(fold(item.text))))
    if not spoken:
        return None
    texts = [text for text, _ in spoken]
    vectors = embedding.Space(texts).vectors(texts)
    return spoken[int(_central(vectors, most=1)[0])][1]


def sample(spoken: Spoken) -> list[tuple[Text, int]]:
    """Return at most SAMPLE of them in their order: those with the smallest hashes."""
    if len(spoken) <= SAMPLE:
        return sorted(spoken)
    return sorted(sorted(spoken, key=_hash)[:SAMPLE])


def _hash(each: tuple[Text, int]) -> bytes:
    text, id_ = each
    return hashlib.blake2b("\0".join((*text, str(id_))).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _joined(
    space: embedding.Space, spoken: Spoken, anchors: Sequence[Anchor], tuning: Tuning
) -> dict[int, tuple[int, float]]:
    """Say what joins an anchor; the lowest key of equally near ones."""
    known = sorted((anchor.key, sorted(fold(text) for text in anchor.texts if any(fold(text)))) for anchor in anchors)
    known = [each for each in known if each[1]]
    if not known:
        return {}
    near = _nearest(space, spoken, centres(space, [texts for _, texts in known]))
    return {id_: (known[index][0], cosine) for id_, (index, cosine) in near.items() if cosine >= tuning.alike}


def centres(space: embedding.Space, told: Iterable[Sequence[Text]]) -> embedding.Matrix:
    """Return one unit row for each list of texts: the direction of the sum of their vectors."""
    return embedding.unit(sparse.vstack([_sum(space.vectors(texts)) for texts in told], format="csr"))


def _sum(vectors: embedding.Matrix) -> embedding.Matrix:
    """Return the sum of the rows as one sparse row: a dense one would have a million and a half columns."""
    return sparse.csr_matrix(np.ones((1, vectors.shape[0]))) @ vectors


def _new_groups(space: embedding.Space, spoken: Spoken, *, least: int, most: int, tuning: Tuning) -> list[Group]:
    if len(spoken) < least or most < 1:
        return []
    drawn = sample(spoken)
    told = _told(space, drawn, least=max(2, math.ceil(least * len(drawn) / len(spoken))), most=most, rank=tuning.rank)
    while told:
        near = _nearest(space, spoken, centres(space, told))
        groups: dict[int, dict[int, float]] = {place: {} for place in range(len(told))}
        for id_, (index, cosine) in near.items():
            if cosine >= tuning.alike:
                groups[index][id_] = cosine
        kept = [place for place in groups if len(groups[place]) >= least]
        if len(kept) == len(told):
            return sorted(
                (_as_group(members) for members in groups.values()), key=lambda each: (-len(each.members), each.medoid)
            )
        told = [told[place] for place in kept]
    return []


def _as_group(members: dict[int, float]) -> Group:
    return Group(medoid=min(members, key=lambda id_: (-members[id_], id_)), members=members)


def _told(space: embedding.Space, drawn: Spoken, *, least: int, most: int, rank: int) -> list[list[Text]]:
    """Return the texts of the `most` largest dense places."""
    texts = [text for text, _ in drawn]
    vectors = space.vectors(texts)
    places = sorted(_dense(embedding.reduced(vectors, rank=rank), least=least), key=lambda rows: (-len(rows), rows[0]))
    return [[texts[row] for row in rows] for rows in places[:most]]


def _dense(points: NDArray[np.float64], *, least: int) -> list[NDArray[np.int64]]:
    """Return the rows of each dense place; of all rows when they are one place, or none stands out."""
    from sklearn.cluster import HDBSCAN

    if len(points) <= max(least, NEIGHBOURS):
        return [np.arange(len(points))]
    search = HDBSCAN(min_cluster_size=least, min_samples=NEIGHBOURS, cluster_selection_method="leaf", copy=True)
    labels = search.fit_predict(points)
    found = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    return found or [np.arange(len(points))]


def _central(vectors: embedding.Matrix, *, most: int) -> NDArray[np.int64]:
    """Return the rows nearest to the sum of all, nearest first; the first of equally near ones."""
    towards = (vectors @ _sum(vectors).T).toarray().ravel()
    return np.argsort(-np.round(towards, 6), kind="stable")[:most]


def _nearest(space: embedding.Space, spoken: Spoken, to: embedding.Matrix) -> dict[int, tuple[int, float]]:
    """Return for each id the index of the nearest row of `to` and the cosine, CHUNK texts at a time."""
    near: dict[int, tuple[int, float]] = {}
    for first in range(0, len(spoken), CHUNK):
        chunk = spoken[first : first + CHUNK]
        cosines = embedding.cosines(space.vectors([text for text, _ in chunk]), to)
        best = cosines.argmax(axis=1)
        near |= {
            id_: (int(index), float(row[index])) for (_, id_), index, row in zip(chunk, best, cosines, strict=True)
        }
    return near
