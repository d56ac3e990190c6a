"""Which constraints of a campaign may be one and the same, and the evidence for it. Pure, seeded by nothing.

Three things speak for a pair: alike members (the critiques of the TOLD most typical violations of each, or their quotes
and corrections), alike statements, and being found on the same outputs. Texts are compared by TF-IDF cosines over words
and character n-grams, members as the mean of theirs, within a tag and across tags. Time is O(n^2) for n constraints, of
which there are MOST_CONSTRAINTS at most; memory is that of MOST_TEXTS texts and of a block of BLOCK * n cosines.

The thresholds come from public judgments (docs/merging.md; `python -m tests.bench.merging_science`).
"""

from __future__ import annotations

import functools
import heapq
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from annotate.constraints.grouping import embedding
from annotate.constraints.scorecard import independence

ALIKE = 0.4
"""A pair is proposed whose members have at least this cosine,"""
STATED = 0.6
"""or whose statements have at least this one: a drafted statement tells of one member only,"""
TOGETHER = 0.5
"""or that has at least this phi, and at least SHARED outputs in common."""
SHARED = 3
MOST_PAIRS = 200
MOST_CONSTRAINTS = 5000
BLOCK = 256
TOLD, MOST_TEXTS = 8, 16_000
"""So many members tell of a constraint, or fewer where all constraints together would have more than MOST_TEXTS."""
LONGEST = 160
"""Characters of a text that are looked at."""

Matrix = Any  # scipy.sparse.csr_matrix: scipy ships no types


@dataclass(frozen=True, slots=True)
class Candidate:
    """A constraint: what it says without its tag's name, and what its members say, the most typical ones first."""

    id: int
    statement: str
    members: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Near:
    """A pair, the lower id first, and its cosines, each in [0, 1]."""

    left: int
    right: int
    members: float
    statements: float


@dataclass(frozen=True, slots=True)
class Shared:
    """On how many outputs both were found, and each, among all that were judged."""

    both: int
    left: int
    right: int
    judged: int


def near(
    *, candidates: Sequence[Candidate], also: Sequence[tuple[int, int]] = (), most: int = MOST_PAIRS
) -> list[Near]:
    """Return the `most` nearest pairs of ALIKE members or statements, the nearest first, and those of `also` whatever
    their cosines."""
    ordered = sorted(candidates, key=lambda each: each.id)
    count = told(len(ordered))
    texts = [_means([each.members[:count] for each in ordered]), _means([[each.statement] for each in ordered])]
    best = heapq.nsmallest(most, _alike(ordered, texts), key=lambda each: (-strength(each), each.left, each.right))
    found = {(each.left, each.right) for each in best}
    places = {each.id: place for place, each in enumerate(ordered)}
    wanted = sorted({(min(pair), max(pair)) for pair in also} - found)
    return best + [
        _pair(ordered, texts, places[one], places[two]) for one, two in wanted if {one, two} <= places.keys()
    ]


def alike(told: Sequence[Sequence[str]]) -> NDArray[np.float64]:
    """Return the cosines of everyone with everyone, (n, n), each told by its texts. For a few hundred."""
    vectors = _means(told)
    return _cosines(vectors, vectors)


def told(constraints: int) -> int:
    """Return how many members of each are compared: 8 of each of 2,000 constraints, 3 of each of 5,000."""
    return max(1, min(TOLD, MOST_TEXTS // max(1, constraints)))


def text(told: embedding.Text) -> str:
    """Return what a violation says of its kind: its critique, unless that is none in words, else the other two."""
    return told.critique if embedding.fold(told).critique else " ".join(filter(None, (told.quote, told.correction)))


def strength(pair: Near) -> float:
    """Return how far the pair's texts are alike, 1 being what makes it a proposal. Members 0.2, statements 0.6: 1."""
    return max(pair.members / ALIKE, pair.statements / STATED)


def phi(shared: Shared) -> float:
    """Return the phi coefficient of being found on the same outputs, in [-1, 1]; 0 where one is on all or on none.

    Source: Pearson's r of two binary columns, (n11 n00 - n10 n01) / sqrt(n1. n0. n.1 n.0). Both on 3 outputs, left on
    4, right on 5 of 20: (3 * 14 - 1 * 2) / sqrt(4 * 16 * 5 * 15) = 40 / 69.28 = 0.577.
    """
    return float(independence.phi(shared.both, shared.left, shared.right, shared.judged))


def likeness(pair: Near, shared: Shared) -> float:
    """Return how much speaks for the pair, in [0, 1]: what is left when each evidence in turn fails (a noisy or).

    Cosines 0.5 and 0.4 and phi 0.2: 1 - 0.5 * 0.6 * 0.8 = 0.76. A negative phi speaks neither for nor against: with one
    annotator an output, two names of one fault are never found together.
    """
    return 1.0 - (1.0 - pair.members) * (1.0 - pair.statements) * (1.0 - max(0.0, phi(shared)))


def is_proposed(pair: Near, shared: Shared) -> bool:
    return strength(pair) >= 1 or (shared.both >= SHARED and phi(shared) >= TOGETHER)


def _alike(ordered: Sequence[Candidate], texts: Sequence[Matrix]) -> Iterator[Near]:
    for first in range(0, len(ordered), BLOCK):
        members, statements = (_block(vectors, first) for vectors in texts)
        rows, columns = np.nonzero((members >= ALIKE) | (statements >= STATED))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if first + row < column:
                yield Near(
                    ordered[first + row].id,
                    ordered[column].id,
                    float(members[row, column]),
                    float(statements[row, column]),
                )


def _block(vectors: Matrix, first: int) -> NDArray[np.float64]:
    return _cosines(vectors[first : first + BLOCK], vectors)


def _pair(ordered: Sequence[Candidate], texts: Sequence[Matrix], one: int, two: int) -> Near:
    members, statements = (float(_cosines(vectors[one], vectors[two])[0, 0]) for vectors in texts)
    return Near(ordered[one].id, ordered[two].id, members, statements)


def _cosines(left: Matrix, right: Matrix) -> NDArray[np.float64]:
    cosines: NDArray[np.float64] = (left @ right.T).toarray()
    return np.clip(np.round(cosines, 9), 0.0, 1.0)


@functools.cache
def _vectorisers() -> tuple[Any, Any]:
    """Count words and pairs of them, and runs of three to five characters. Imported late: it takes two seconds."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = {"n_features": 2**18, "alternate_sign": False, "norm": None}
    words = {"analyzer": "word", "token_pattern": r"(?u)\w+", "ngram_range": (1, 2)}
    characters = {"analyzer": "char_wb", "ngram_range": (3, 5)}
    return HashingVectorizer(**words, **hashing), HashingVectorizer(**characters, **hashing)


def _means(told: Sequence[Sequence[str]]) -> Matrix:
    """Return a CSR matrix of shape (len(told), n): the mean of each one's texts, of length one; zero without any."""
    texts = list(itertools.chain.from_iterable(told))
    owners = np.repeat(np.arange(len(told)), [len(each) for each in told])
    sums = sparse.csr_matrix((np.ones(len(texts)), (owners, np.arange(len(texts)))), shape=(len(told), len(texts)))
    return _unit((sums @ _vectors(texts)).tocsr())


def _vectors(texts: Sequence[str]) -> Matrix:
    """Return a CSR matrix of shape (len(texts), n): rows of length one, or all zero for an empty text."""
    folded = [_folded(each) for each in texts]
    parts = [_unit(_weighted(vectoriser.transform(folded))) for vectoriser in _vectorisers()]
    return _unit(sparse.hstack(parts, format="csr"))


def _weighted(counts: Matrix) -> Matrix:
    """Damp counts and weigh n-grams by how few of the texts have them (smoothed idf)."""
    counts.data = 1.0 + np.log(counts.data)
    seen = np.bincount(counts.indices, minlength=counts.shape[1])
    return counts.multiply(np.log((1 + counts.shape[0]) / (1 + seen)) + 1.0).tocsr()


def _unit(matrix: Matrix) -> Matrix:
    matrix.sort_indices()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags(scale) @ matrix).tocsr()


def _folded(text: str) -> str:
    """Case, spacing and what a number is do not count."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    return " ".join(re.sub(r"\d+(?:[.,:]\d+)*", "0", plain).split())
