"""Texts of violations as points. Pure: plain values in, plain values out, the same on every run.

A violation is described by four fields: what the annotator wrote, what they marked, what they would have written
instead, and the shape of the three (how long each is, how much shorter the correction is, what the mark ends with).
The first three become TF-IDF weighted word and character n-grams, hashed, or the vectors of a sentence model
(embedder.py); the shape a few words. A missing field's weight goes to the others. Numbers are folded into one, so
"says 12, should be 13" and "says 7, should be 9" are the same complaint.

The whole is reduced to the RANK strongest directions of a tag's texts: points on a sphere, where texts that say the
same in other words of the same tag come near each other.
"""

from __future__ import annotations

import functools
import json
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

WEIGHTS = {"critique": 0.70, "quote": 0.15, "correction": 0.15}
SHAPE = 0.02
"""Of a text with all fields the shape is 2 %; of one that is a mark and nothing else 12 %."""
LONGEST = 400
"""Characters of each field that are looked at."""
RANK = 32
"""Directions that a tag's texts are reduced to."""
ROUNDED = 6
"""Decimals of a point, so that equal texts are equal whatever stood beside them."""

Matrix = Any  # scipy.sparse.csr_matrix: scipy ships no types
Points = NDArray[np.float64]
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors of length one, a row each; the same for the same text."""


class Text(NamedTuple):
    """What an annotator wrote and marked."""

    critique: str = ""
    quote: str = ""
    correction: str = ""


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


def shape(text: Text) -> str:
    """Say in a few words how long the fields of a folded text are: doubling a length is one step.

    `Text("wrong unit", "12 km", "12")` is `c3 q3 r2 d-1 end:w`: a critique of about 2^3 characters, and so on.
    """
    steps = [round(math.log2(1 + len(part))) for part in text]
    words = [f"{name}{step}" for name, step in zip("cqr", steps, strict=True)]
    if text.quote:
        words.append(f"end:{text.quote[-1] if text.quote[-1] in '.,!?;:' else 'w'}")
    if text.quote and text.correction:
        words.append(f"d{steps[2] - steps[1]}")
    return " ".join(words)


class Space:
    """Maps folded texts to points. What is rare, and which directions are strong, is learnt from `corpus`.

    The directions are those of latent semantic analysis (Deerwester et al. 1990), seeded. Only what two texts of the
    corpus share can tell texts apart, so what stands in one alone is left out.
    """

    def __init__(
        self, corpus: Sequence[Text], *, rank: int = RANK, shape_weight: float = SHAPE, embed: Embed | None = None
    ) -> None:
        learn = Grams if embed is None else functools.partial(Meanings, embed=embed)
        self._fields = {name: learn([getattr(text, name) for text in corpus]) for name in WEIGHTS}
        self._shape_weight = shape_weight
        vectors = self.whole(corpus)
        self._shared = np.flatnonzero(np.bincount(vectors.indices, minlength=vectors.shape[1]) >= 2)
        self._directions = directions(vectors[:, self._shared], rank=rank)

    def whole(self, texts: Sequence[Text]) -> Matrix:
        """Return a CSR matrix of shape (len(texts), n): rows of length one, or all zero for an empty text."""
        parts = [
            self._fields[name].vectors([getattr(text, name) for text in texts]) * math.sqrt(weight)
            for name, weight in WEIGHTS.items()
        ]
        shapes = _shapes().transform([shape(text) if any(text) else "" for text in texts])
        return unit(sparse.hstack([*parts, unit(shapes) * math.sqrt(self._shape_weight)], format="csr"))

    def vectors(self, texts: Sequence[Text]) -> Matrix:
        """Return of `whole` the columns that two texts of the corpus share: rows of length one at most."""
        return self.whole(texts)[:, self._shared]

    def points(self, vectors: Matrix) -> Points:
        """Return (rows, at most rank) rows of length one, or all zero for what shares nothing with the corpus."""
        return unit_rows(vectors @ self._directions)


class Grams:
    """One field as n-grams, weighted by how rare each is in `corpus`."""

    def __init__(self, corpus: Sequence[str]) -> None:
        counted = _counted(corpus)
        seen = np.bincount(counted.indices, minlength=counted.shape[1])
        self._rarity = np.log((1 + counted.shape[0]) / (1 + seen)) + 1.0

    def vectors(self, texts: Sequence[str]) -> Matrix:
        return unit(_counted(texts).multiply(self._rarity).tocsr())


class Meanings:
    """One field as a sentence model tells it, without what all texts of `corpus` have in common."""

    def __init__(self, corpus: Sequence[str], *, embed: Embed) -> None:
        self._embed = embed
        told = embed([text for text in corpus if text] or [""])
        self._mean = told.astype(np.float64).mean(axis=0)

    def vectors(self, texts: Sequence[str]) -> Matrix:
        rows = [row for row, text in enumerate(texts) if text]
        found = np.zeros((len(texts), len(self._mean)))
        if rows:
            found[rows] = unit_rows(self._embed([texts[row] for row in rows]) - self._mean)
        return sparse.csr_matrix(found)


@functools.cache
def _vectorisers() -> tuple[Any, Any]:
    """Count words and pairs of them, and runs of three and four characters. Imported late: it takes two seconds."""
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = {"n_features": 2**18, "alternate_sign": False, "norm": None}
    words = {"analyzer": "word", "token_pattern": r"(?u)\w+|[^\w\s]", "ngram_range": (1, 2)}
    characters = {"analyzer": "char_wb", "ngram_range": (3, 4)}
    return HashingVectorizer(**words, **hashing), HashingVectorizer(**characters, **hashing)


@functools.cache
def _shapes() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(analyzer=str.split, n_features=2**12, alternate_sign=False, norm=None)


def _counted(texts: Sequence[str]) -> Matrix:
    """Return the damped counts of word and character n-grams, both kinds weighing the same."""
    parts = []
    for vectoriser in _vectorisers():
        counts = vectoriser.transform(texts)
        counts.data = 1.0 + np.log(counts.data)
        parts.append(unit(counts))
    return sparse.hstack(parts, format="csr")


def unit(matrix: Matrix) -> Matrix:
    """Scale the rows of a CSR matrix to length one; empty rows stay empty."""
    matrix.sort_indices()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags(scale) @ matrix).tocsr()


def unit_rows(points: NDArray[Any]) -> Points:
    """Scale the rows to length one and round them; those shorter than what is rounded away become zero."""
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    long_enough = lengths > 10.0**-ROUNDED
    found = np.divide(points, lengths, out=np.zeros(points.shape), where=long_enough)
    return np.asarray(np.round(found, ROUNDED))


def cosines(left: Points, right: Points) -> Points:
    """Return (len(left), len(right)) cosines of unit rows, rounded as they are."""
    return np.clip(np.round(left @ right.T, ROUNDED), -1.0, 1.0)


def directions(vectors: Matrix, *, rank: int) -> Points:
    """Return (columns, at most rank): the strongest directions of the rows, without those that are rounding errors."""
    from sklearn.utils import extmath

    wanted = min(rank, *vectors.shape)
    if wanted < 1 or not vectors.nnz:
        return np.zeros((vectors.shape[1], 1))
    _, strengths, rows = extmath.randomized_svd(vectors, wanted, n_iter=5, random_state=0)
    return np.asarray(rows[strengths > 1e-6 * strengths[0]].T)
