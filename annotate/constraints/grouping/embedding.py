"""Texts of violations as vectors. Pure: plain values in, plain values out, the same on every run.

A violation is described by four fields: what the annotator wrote, what they marked, what they would have written
instead, and the shape of the three (how long each is, how much shorter the correction is, what the mark ends with).
The first three become TF-IDF weighted word and character n-grams, hashed; the shape a few words. A missing field's
weight goes to the others. Numbers are folded into one, so "says 12, should be 13" and "says 7, should be 9" are the
same complaint.
"""

from __future__ import annotations

import functools
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

WEIGHTS = {"critique": 0.70, "quote": 0.15, "correction": 0.15}
SHAPE = 0.02
"""Of a text with all fields the shape is 2 %; of one that is a mark and nothing else 12 %."""
LONGEST = 400
"""Characters of each field that are looked at."""

Matrix = Any  # scipy.sparse.csr_matrix: scipy ships no types


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
    """Maps folded texts to unit vectors. Which n-grams are rare is learnt from `corpus`, folded texts too."""

    def __init__(self, corpus: Sequence[Text], *, shape_weight: float = SHAPE) -> None:
        self._rarity = {name: _rarity(_counted(name, corpus)) for name in WEIGHTS}
        self._shape_weight = shape_weight

    def vectors(self, texts: Sequence[Text]) -> Matrix:
        """Return a CSR matrix of shape (len(texts), n): rows of length one, or all zero for an empty text."""
        parts = [
            unit(_counted(name, texts).multiply(self._rarity[name]).tocsr()) * math.sqrt(weight)
            for name, weight in WEIGHTS.items()
        ]
        shapes = _shapes().transform([shape(text) if any(text) else "" for text in texts])
        return unit(sparse.hstack([*parts, unit(shapes) * math.sqrt(self._shape_weight)], format="csr"))


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


def _counted(name: str, texts: Sequence[Text]) -> Matrix:
    """Return the damped counts of word and character n-grams of one field, both kinds weighing the same."""
    column = [getattr(text, name) for text in texts]
    parts = []
    for vectoriser in _vectorisers():
        counts = vectoriser.transform(column)
        counts.data = 1.0 + np.log(counts.data)
        parts.append(unit(counts))
    return sparse.hstack(parts, format="csr")


def _rarity(counted: Matrix) -> NDArray[np.float64]:
    seen = np.bincount(counted.indices, minlength=counted.shape[1])
    return np.asarray(np.log((1 + counted.shape[0]) / (1 + seen)) + 1.0)


def unit(matrix: Matrix) -> Matrix:
    """Scale the rows of a CSR matrix to length one; empty rows stay empty."""
    matrix.sort_indices()
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags(scale) @ matrix).tocsr()


def cosines(left: Matrix, right: Matrix) -> NDArray[np.float64]:
    """Return the dense cosines, rounded so that equal texts are equal whatever stood beside them."""
    found: NDArray[np.float64] = (left @ right.T).toarray()
    return np.clip(np.round(found, 9), 0.0, 1.0)


def reduced(vectors: Matrix, *, rank: int) -> NDArray[np.float64]:
    """Return unit rows of shape (n, at most `rank`): the strongest directions of `vectors` (latent semantic analysis,
    Deerwester et al. 1990), seeded, and rounded so that equal rows stay equal."""
    from sklearn.utils import extmath

    columns = vectors.tocsc()
    used = columns[:, np.flatnonzero(np.diff(columns.indptr))].tocsr()
    directions = min(rank, *(side - 1 for side in used.shape))
    if directions < 1:
        return np.ones((vectors.shape[0], 1))
    left, strengths, _ = extmath.randomized_svd(used, directions, n_iter=5, random_state=0)
    found = left * strengths
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(np.round(np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0), 6))
