"""Find the discrete prohibitions behind the violations of one tag. Pure: plain values in, plain values out.

Two violations are alike when their critiques, quotes and corrections share words and character n-grams: a weighted
sum of TF-IDF cosines, the weight of a missing field going to the others. Numbers are folded into one, so "says 12,
should be 13" and "says 7, should be 9" are the same complaint.

Groups are looked for among at most SAMPLE distinct texts (chosen by a hash of the text, so the choice depends on
nothing else) by average linkage; every violation then goes to the nearest medoid. Time is O(SAMPLE^2 + n * groups)
and memory O(SAMPLE^2 + CHUNK * groups): 100,000 violations of one tag need no n by n matrix.

Everything is done in the order of the texts, so the order of the input changes nothing, to the last bit.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.cluster import hierarchy

SAMPLE = 3000
CHUNK = 4096
ALIKE = 0.28
"""A violation joins a group when its cosine to the group's medoid is at least this."""
LINKED = 0.23
"""Groups are merged while the mean cosine between their members is at least this."""
WEIGHTS = {"critique": 0.70, "quote": 0.15, "correction": 0.15}
MOST_GROUPS = 12
LONGEST = 400
"""Characters of each field that are looked at."""

Matrix = Any  # scipy.sparse.csr_matrix: scipy ships no types


class Text(NamedTuple):
    """What an annotator wrote and marked."""

    critique: str = ""
    quote: str = ""
    correction: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One violation."""

    id: int
    text: Text


@dataclass(frozen=True, slots=True)
class Anchor:
    """A text that stands for a living group `key`. A group may have several."""

    key: int
    text: Text


@dataclass(frozen=True, slots=True)
class Group:
    """A new group. `members` maps violation ids to their cosine to the medoid, which is a member itself."""

    medoid: int
    members: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Grouped:
    """`joined` maps ids to (anchor key, cosine); `groups` are new, largest first; `rest` belongs to no group."""

    joined: Mapping[int, tuple[int, float]] = field(default_factory=dict)
    groups: Sequence[Group] = ()
    rest: Sequence[int] = ()


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
) -> Grouped:
    """Let `items` join the nearest anchor, and find at most `most` new groups of `least` or more among the others.

    `background` are further texts of the tag that say which words are common in it. Ids must be distinct.
    """
    folded = {item.id: fold(item.text) for item in items}
    speaking = sorted((text, id_) for id_, text in folded.items() if any(text))
    if not speaking:
        return Grouped(rest=sorted(folded))
    texts = _distinct(text for text, _ in speaking)
    space = _Space(_sample([*texts, *(fold(text) for text in background)]))
    joined, free = _join(space, speaking, texts, anchors)
    groups = _new_groups(space, free, least=smallest(len(items)) if least is None else least, most=most)
    taken = joined.keys() | {id_ for each in groups for id_ in each.members}
    return Grouped(joined=joined, groups=groups, rest=sorted(folded.keys() - taken))


def medoid(items: Sequence[Item]) -> int | None:
    """Return the id of the item nearest to all others (of a sample, when there are many); None without any text."""
    speaking = sorted((fold(item.text), item.id) for item in items if any(fold(item.text)))
    if not speaking:
        return None
    texts = _sample(_distinct(text for text, _ in speaking))
    counts = _counts(text for text, _ in speaking)
    vectors = _Space(texts).vectors(texts)
    best = texts[_central(_cosines(vectors, vectors), np.array([counts[text] for text in texts]))]
    return min(id_ for text, id_ in speaking if text == best)


def fold(text: Text) -> Text:
    """Reduce a text to what is compared: case, spacing and numbers do not count, nor does a critique that is JSON."""
    critique = "" if _is_json(text.critique) else text.critique
    return Text(*(_folded(part) for part in (critique, text.quote, text.correction)))


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    return " ".join(re.sub(r"\d+(?:[.,:]\d+)*", "0", plain).split())


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


class _Space:
    """Maps texts to unit vectors. Which n-grams are rare is learnt from `corpus`."""

    def __init__(self, corpus: Sequence[Text]) -> None:
        self._rarity = {name: _rarity(_counted(name, corpus)) for name in WEIGHTS}

    def vectors(self, texts: Sequence[Text]) -> Matrix:
        """Return a CSR matrix of shape (len(texts), n): rows of length one, or all zero for an empty text."""
        parts = [
            _unit(_counted(name, texts).multiply(self._rarity[name]).tocsr()) * math.sqrt(weight)
            for name, weight in WEIGHTS.items()
        ]
        return _unit(sparse.hstack(parts, format="csr"))


@functools.cache
def _vectorisers() -> tuple[Any, Any]:
    """Count words and pairs of them, and runs of three and four characters. Imported late: it takes two seconds."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = {"n_features": 2**18, "alternate_sign": False, "norm": None}
    words = {"analyzer": "word", "token_pattern": r"(?u)\w+|[^\w\s]", "ngram_range": (1, 2)}
    characters = {"analyzer": "char_wb", "ngram_range": (3, 4)}
    return HashingVectorizer(**words, **hashing), HashingVectorizer(**characters, **hashing)


def _counted(name: str, texts: Sequence[Text]) -> Matrix:
    """Return the damped counts of word and character n-grams of one field, both kinds weighing the same."""
    column = [getattr(text, name) for text in texts]
    parts = []
    for vectoriser in _vectorisers():
        counts = vectoriser.transform(column)
        counts.data = 1.0 + np.log(counts.data)
        parts.append(_unit(counts))
    return sparse.hstack(parts, format="csr")


def _rarity(counted: Matrix) -> NDArray[np.float64]:
    seen = np.bincount(counted.indices, minlength=counted.shape[1])
    return np.asarray(np.log((1 + counted.shape[0]) / (1 + seen)) + 1.0)


def _unit(matrix: Matrix) -> Matrix:
    matrix.sort_indices()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags(scale) @ matrix).tocsr()


def _cosines(left: Matrix, right: Matrix) -> NDArray[np.float64]:
    """Return the dense cosines, rounded so that equal texts are equal whatever stood beside them."""
    cosines: NDArray[np.float64] = (left @ right.T).toarray()
    return np.clip(np.round(cosines, 9), 0.0, 1.0)


def _join(
    space: _Space, speaking: Sequence[tuple[Text, int]], texts: Sequence[Text], anchors: Sequence[Anchor]
) -> tuple[dict[int, tuple[int, float]], list[tuple[Text, int]]]:
    """Split `speaking` into what joins an anchor (the lowest key of equally near ones) and what stays free."""
    known = sorted({(anchor.key, fold(anchor.text)) for anchor in anchors if any(fold(anchor.text))})
    if not known:
        return {}, list(speaking)
    near = _nearest(space, texts, [text for _, text in known])
    joined: dict[int, tuple[int, float]] = {}
    free: list[tuple[Text, int]] = []
    for text, id_ in speaking:
        index, cosine = near[text]
        if cosine >= ALIKE:
            joined[id_] = (known[index][0], cosine)
        else:
            free.append((text, id_))
    return joined, free


def _new_groups(space: _Space, speaking: Sequence[tuple[Text, int]], *, least: int, most: int) -> list[Group]:
    if len(speaking) < least or most < 1:
        return []
    texts = _distinct(text for text, _ in speaking)
    counts = _counts(text for text, _ in speaking)
    medoids = _medoids(space, _sample(texts), counts, share=min(1.0, SAMPLE / len(texts)), least=least)
    while medoids:
        near = _nearest(space, texts, medoids)
        groups = _gathered(speaking, near, medoids)
        kept = [each for each in groups if len(groups[each]) >= (least if _is_argued(each) else 3 * least // 2)]
        kept = sorted(kept, key=lambda each: (-len(groups[each]), each))[:most]
        if len(kept) == len(groups) == len(medoids):
            return [_as_group(groups[each], speaking, each) for each in kept]
        medoids = kept
    return []


def _is_argued(text: Text) -> bool:
    """Equal quotes alone say little about what is wrong: such a group must be half as large again."""
    return bool(text.critique or text.correction)


def _gathered(
    speaking: Sequence[tuple[Text, int]], near: Mapping[Text, tuple[int, float]], medoids: Sequence[Text]
) -> dict[Text, dict[int, float]]:
    groups: dict[Text, dict[int, float]] = {}
    for text, id_ in speaking:
        index, cosine = near[text]
        if cosine >= ALIKE:
            groups.setdefault(medoids[index], {})[id_] = cosine
    return groups


def _as_group(members: dict[int, float], speaking: Sequence[tuple[Text, int]], text: Text) -> Group:
    return Group(medoid=min(id_ for each, id_ in speaking if each == text), members=members)


def _medoids(
    space: _Space, sample: Sequence[Text], counts: Mapping[Text, int], *, share: float, least: int
) -> list[Text]:
    """Return the texts in the middle of the sample's clusters. `share` is the share of all texts in the sample."""
    vectors = space.vectors(sample)
    cosines = _cosines(vectors, vectors)
    weights = np.array([counts[text] for text in sample])
    found = []
    for rows in _clusters(cosines):
        if weights[rows].sum() >= least * share / 2:
            found.append(sample[rows[_central(cosines[np.ix_(rows, rows)], weights[rows])]])
    return found


def _clusters(cosines: NDArray[np.float64]) -> Iterator[NDArray[np.int64]]:
    if len(cosines) == 1:
        yield np.array([0])
        return
    upper = np.triu_indices(len(cosines), k=1)
    links = hierarchy.linkage(1.0 - cosines[upper], method="average")
    labels = hierarchy.fcluster(links, t=1.0 - LINKED, criterion="distance")
    for label in range(1, labels.max() + 1):
        yield np.flatnonzero(labels == label)


def _central(cosines: NDArray[np.float64], weights: NDArray[np.int64]) -> int:
    """Return the row with the largest weighted sum of cosines; the first of equal ones."""
    return int(np.argmax(np.round(cosines @ weights, 6)))


def _nearest(space: _Space, texts: Sequence[Text], to: Sequence[Text]) -> dict[Text, tuple[int, float]]:
    """Return for each text the index of the nearest of `to` and the cosine, CHUNK texts at a time."""
    targets = space.vectors(to)
    near: dict[Text, tuple[int, float]] = {}
    for first in range(0, len(texts), CHUNK):
        chunk = texts[first : first + CHUNK]
        cosines = _cosines(space.vectors(chunk), targets)
        best = cosines.argmax(axis=1)
        for text, index, row in zip(chunk, best.tolist(), cosines, strict=True):
            near[text] = (index, float(row[index]))
    return near


def _distinct(texts: Iterator[Text]) -> list[Text]:
    return sorted(set(texts))


def _counts(texts: Iterator[Text]) -> dict[Text, int]:
    counts: dict[Text, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return counts


def _sample(texts: Sequence[Text]) -> list[Text]:
    """Return at most SAMPLE distinct speaking texts in their order: those with the smallest hashes."""
    distinct = sorted({text for text in texts if any(text)})
    if len(distinct) <= SAMPLE:
        return distinct
    return sorted(sorted(distinct, key=_hash)[:SAMPLE])


def _hash(text: Text) -> bytes:
    return hashlib.blake2b("\0".join(text).encode("utf-8", "surrogatepass"), digest_size=8).digest()
