"""The order of a dataset's rows, and who is held out. Pure, and the same everywhere for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One row to be: the output it comes from, its prompt, and the key it is sorted by."""

    key: bytes
    prompt_id: int
    output_id: int


def key(*, seed: int, content_key: str) -> bytes:
    """Return the sort key of a row: a hash, so that sorting by it shuffles."""
    return _hashed(f"order:{seed}:{content_key}")


def is_held_out(*, seed: int, prompt_sha256: str, share: float) -> bool:
    """Say whether a prompt, with all its rows, is kept out of train."""
    return int.from_bytes(_hashed(f"holdout:{seed}:{prompt_sha256}"), "big") < share * 2**64


def arrange(places: Iterable[Place]) -> list[Place]:
    """Sort by key, then move rows so that no two neighbours share a prompt, wherever that is possible at all.

    It is impossible only when one prompt has more than half of the rows (rounded up); then those left over are last.
    """
    arranged: list[Place] = []
    waiting: list[Place] = []
    for place in sorted(places, key=lambda each: (each.key, each.output_id)):
        if arranged and arranged[-1].prompt_id == place.prompt_id:
            waiting.append(place)
            continue
        arranged.append(place)
        if waiting and waiting[0].prompt_id != place.prompt_id:
            arranged.append(waiting.pop(0))
    return _fitted(arranged, waiting) if waiting else arranged


def _fitted(arranged: Sequence[Place], waiting: list[Place]) -> list[Place]:
    """Put the waiting rows, all of one prompt, into the first gaps that do not touch that prompt."""
    prompt_id, left = waiting[0].prompt_id, list(reversed(waiting))
    fitted: list[Place] = []
    for place in arranged:
        touches = place.prompt_id == prompt_id or (bool(fitted) and fitted[-1].prompt_id == prompt_id)
        if left and not touches:
            fitted.append(left.pop())
        fitted.append(place)
    return fitted + left[::-1]


def _hashed(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
