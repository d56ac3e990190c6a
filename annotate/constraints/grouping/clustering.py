"""Find the discrete prohibitions behind the violations of one tag. Pure: plain values in, plain values out.

Violations are points on a sphere (embedding.py). A group is a centre: an old one is the direction of the texts that
tell it, at most EXEMPLARS of its nearest members. New ones are looked for among at most SAMPLE violations (chosen by a
hash of text and id, so the choice depends on nothing else): HDBSCAN (Campello, Moulavi and Sander, 2013;
scikit-learn's) finds the dense places, the leaves of its tree, and those that are farther than DISTINCT from every old
centre become centres. Old and new then compete: every violation goes to the nearest centre, or to none when that is
farther than ALIKE, and each new centre moves to the middle of its members, a few times (spherical k-means started at
the dense places; Dhillon and Modha, 2001). An old group takes only what also says about as much of what its texts say
as they say of each other (SHARED): among few directions, strangers look alike. So a kind of violation that was never
seen before founds a group of its own, and what is told by none waits in the rest for its like.

Time is O(SAMPLE^2 + n * groups) and memory O(n * RANK + CHUNK * groups), besides the items themselves.
docs/grouping.md says how the settings were chosen and how groups compare with people's own types.

Everything is done in the order of the texts, so the order of the input changes nothing, to the last bit.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from annotate.constraints.grouping import embedding
from annotate.constraints.grouping.embedding import Points, Text, fold

SAMPLE = 3000
CHUNK = 4096
NEIGHBOURS = 2
"""HDBSCAN's min_samples: how many violations must be near for a place to be dense."""
ROUNDS = 5
"""How often new centres move to the middle of their members."""
EXEMPLARS = 32
"""How many of its members tell a living group."""
ALIKE = 0.4
"""A violation belongs to a group when its cosine to the group's centre is at least this."""
SHARED = 0.9
"""It belongs to an old group only when its cosine to what the group's texts say is at least this part of their own."""
DISTINCT = 0.7
"""A dense place is a new group when its cosine to every old group's centre is less than this."""
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
    """How texts become points and points groups. `embed`: a sentence model instead of n-grams.

    The numbers are for the science bench; nothing else changes them.
    """

    embed: embedding.Embed | None = None
    shape: float = embedding.SHAPE
    rank: int = embedding.RANK
    alike: float = ALIKE
    distinct: float = DISTINCT
    shared: float = SHARED


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
    """Let each of `items` join the nearest anchor, or one of at most `most` new groups of `least` or more.

    `background` are further texts of the tag that say which words are common in it. Ids must be distinct.
    """
    folded = {item.id: fold(item.text) for item in items}
    spoken = sorted((text, id_) for id_, text in folded.items() if any(text))
    if not spoken:
        return Grouped(rest=sorted(folded))
    known = _known(anchors)
    space = space_of(_common(spoken, known, background), tuning=tuning)
    old = [Old.told_by(texts, space) for _, texts in known]
    points, barred = _located(space, spoken, old, tuning)
    to = np.array([each.centre for each in old]).reshape(-1, points.shape[1])
    least = smallest(len(items)) if least is None else least
    drawn = _drawn(spoken)
    founded = dense(points[drawn], least=math.ceil(least * len(drawn) / len(spoken))) if most > 0 else []
    new = distinct([drawn[rows] for rows in founded], points, to, barred, tuning)[:most]
    near = settled(points, old=to, barred=barred, new=new, least=least, alike=tuning.alike)
    return _grouped([id_ for _, id_ in spoken], near, [key for key, _ in known], folded.keys())


class Old(NamedTuple):
    """A living group: its centre among the points, its centre among the vectors, and how near its own texts are to
    the latter: the median cosine of each to the centre of the others, 0 of a single one."""

    centre: Points
    words: embedding.Matrix
    own: float

    @classmethod
    def told_by(cls, texts: Sequence[Text], space: embedding.Space) -> Old:
        vectors = space.vectors(texts)
        total = np.asarray(vectors.sum(axis=0)).ravel()
        own = float(np.median(_to_others(vectors, total))) if len(texts) > 1 else 0.0
        centre = embedding.unit_rows(space.points(vectors).sum(axis=0, keepdims=True))[0]
        return cls(centre, embedding.unit(sparse.csr_matrix(total)), own)


def _to_others(vectors: embedding.Matrix, total: Points) -> Points:
    """Return the dot product of each row x and the direction of the others: x (S - x) / |S - x|, S being their sum."""
    towards = np.asarray(vectors @ total)
    squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    lengths = np.sqrt(np.maximum(total @ total - 2 * towards + squares, 0.0))
    return np.asarray(np.divide(towards - squares, lengths, out=np.zeros_like(towards), where=lengths > 1e-6))


def space_of(corpus: Sequence[Text], *, tuning: Tuning = Tuning()) -> embedding.Space:
    """Learn from folded texts how others become points."""
    return embedding.Space(corpus, rank=tuning.rank, shape_weight=tuning.shape, embed=tuning.embed)


def medoid(items: Sequence[Item]) -> int | None:
    """Return the id of the item nearest to all others (of a sample, when there are many); None without any text."""
    spoken = sample(sorted((fold(item.text), item.id) for item in items if any(fold(item.text))))
    if not spoken:
        return None
    points, _ = _located(space_of([text for text, _ in spoken]), spoken, [], Tuning())
    return spoken[int(np.round(points @ points.sum(axis=0), embedding.ROUNDED).argmax())][1]


def sample(spoken: Spoken) -> list[tuple[Text, int]]:
    """Return at most SAMPLE of them in their order: those with the smallest hashes."""
    ordered = sorted(spoken)
    return [ordered[row] for row in _drawn(ordered)]


def _drawn(spoken: Spoken) -> NDArray[np.int64]:
    if len(spoken) <= SAMPLE:
        return np.arange(len(spoken))
    hashes = [_hash(each) for each in spoken]
    return np.sort(np.array(sorted(range(len(spoken)), key=hashes.__getitem__)[:SAMPLE]))


def _hash(each: tuple[Text, int]) -> bytes:
    text, id_ = each
    return hashlib.blake2b("\0".join((*text, str(id_))).encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _known(anchors: Sequence[Anchor]) -> list[tuple[int, list[Text]]]:
    """Return the folded texts of each anchor that has any, by key: of equally near ones the lowest key is joined."""
    told = sorted((anchor.key, sorted(text for text in map(fold, anchor.texts) if any(text))) for anchor in anchors)
    return [(key, texts) for key, texts in told if texts]


def _common(spoken: Spoken, known: Sequence[tuple[int, Sequence[Text]]], background: Sequence[Text]) -> list[Text]:
    others = [*map(fold, background), *(text for _, texts in known for text in texts)]
    return [text for text, _ in sample([*spoken, *((text, 0) for text in others if any(text))])]


def _located(
    space: embedding.Space, spoken: Spoken, old: Sequence[Old], tuning: Tuning
) -> tuple[Points, NDArray[np.bool_]]:
    """Return the points, and which old groups each may not join because it says too little of what they say."""
    points, barred = [], []
    wanted = np.round([tuning.shared * each.own for each in old], embedding.ROUNDED)
    words = sparse.vstack([each.words for each in old], format="csr").T if old else None
    for first in range(0, len(spoken), CHUNK):
        vectors = space.vectors([text for text, _ in spoken[first : first + CHUNK]])
        points.append(space.points(vectors))
        said = np.zeros((vectors.shape[0], 0)) if words is None else (vectors @ words).toarray()
        barred.append(np.round(said, embedding.ROUNDED) < wanted)
    return np.vstack(points), np.vstack(barred)


def centres(of: Sequence[Points], *, width: int) -> Points:
    """Return one unit row for each list of points: the direction of their sum."""
    return embedding.unit_rows(np.array([points.sum(axis=0) for points in of]).reshape(-1, width))


def dense(points: Points, *, least: int) -> list[NDArray[np.int64]]:
    """Return the rows of each dense place, the largest first; of all rows when they are one place, or none stands out.

    Rows of length zero have no place.
    """
    from sklearn.cluster import HDBSCAN

    rows = np.flatnonzero(points.any(axis=1))
    if len(rows) < least:
        return []
    if len(rows) <= max(least, NEIGHBOURS):
        return [rows]
    search = HDBSCAN(max(2, least), min_samples=NEIGHBOURS, cluster_selection_method="leaf", copy=True)
    labels = search.fit_predict(points[rows])
    found = [rows[labels == label] for label in range(labels.max() + 1)] or [rows]
    return sorted(found, key=lambda each: (-len(each), each[0]))


def distinct(
    places: Sequence[NDArray[np.int64]], points: Points, old: Points, barred: NDArray[np.bool_], tuning: Tuning
) -> Points:
    """Return the centres of those places that are no old group again: one that is near, and that most may join."""
    found = centres([points[rows] for rows in places], width=points.shape[1])
    near = embedding.cosines(found, old)
    for place, rows in enumerate(places):
        near[place, barred[rows].mean(axis=0) > 0.5] = -1.0
    return np.asarray(found[near.max(axis=1, initial=-1.0) < tuning.distinct])


class Near(NamedTuple):
    """For each point the place of the nearest centre, old ones first, or -1 when it is too far from all; its cosine."""

    place: NDArray[np.int64]
    cosine: Points
    olds: int


def settled(
    points: Points, *, old: Points, new: Points, least: int, alike: float, barred: NDArray[np.bool_] | None = None
) -> Near:
    """Move each new centre to the middle of its members ROUNDS times, and drop those with fewer than `least`."""
    for turn in itertools.count():
        near = nearest(points, old=old, new=new, alike=alike, barred=barred)
        members = [np.flatnonzero(near.place == len(old) + place) for place in range(len(new))]
        kept = [place for place, rows in enumerate(members) if len(rows) >= least]
        if turn >= ROUNDS and len(kept) == len(new):
            return near
        moved = centres([points[members[place]] for place in kept], width=points.shape[1])
        new = moved if turn < ROUNDS else new[kept]
    raise AssertionError


def nearest(
    points: Points, *, old: Points, new: Points, alike: float = -1.0, barred: NDArray[np.bool_] | None = None
) -> Near:
    """Find the nearest centre of each point that it is not barred from; of equally near ones the first."""
    to = np.vstack([old, new])
    if not len(to):
        return Near(np.full(len(points), -1), np.zeros(len(points)), 0)
    found = []
    for first in range(0, len(points), CHUNK):
        cosines = embedding.cosines(points[first : first + CHUNK], to)
        if barred is not None:
            cosines[:, : len(old)][barred[first : first + CHUNK]] = -2.0  # farther than far
        found.append((cosines.argmax(axis=1), cosines.max(axis=1)))
    index, cosine = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Near(np.where(cosine >= alike, index, -1), cosine, len(old))


def _grouped(ids: Sequence[int], near: Near, keys: Sequence[int], all_: Collection[int]) -> Grouped:
    joined: dict[int, tuple[int, float]] = {}
    members: dict[int, dict[int, float]] = {}
    for id_, index, cosine in zip(ids, near.place.tolist(), near.cosine.tolist(), strict=True):
        if 0 <= index < near.olds:
            joined[id_] = (keys[index], cosine)
        elif index >= near.olds:
            members.setdefault(index, {})[id_] = cosine
    groups = [_as_group(each) for each in members.values()]
    taken = joined.keys() | {id_ for each in groups for id_ in each.members}
    order = sorted(groups, key=lambda each: (-len(each.members), each.medoid))
    return Grouped(joined=joined, groups=order, rest=sorted(all_ - taken))


def _as_group(members: dict[int, float]) -> Group:
    return Group(medoid=min(members, key=lambda id_: (-members[id_], id_)), members=members)
