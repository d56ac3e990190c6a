"""Which rows step N sees: a pure function of the seed, so a resumed run needs no data position but its step."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

WINDOW = 16


class Order:
    """Endless batches over `count` rows: every epoch a new seeded shuffle, cut in whole batches.

    An epoch's remainder (fewer than `batch_size` rows) sits out and comes again with the next shuffle. With `lengths`,
    rows of like length share a batch: the shuffle is sorted within windows of WINDOW batches, then the batches are
    shuffled, which saves padding and stays random at the scale of a window.
    """

    def __init__(self, *, count: int, batch_size: int, seed: int, lengths: Sequence[int] | None = None) -> None:
        self.count = count
        self.batch_size = min(batch_size, count)
        self.seed = seed
        self.lengths = lengths
        self.per_epoch = count // self.batch_size
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def batch(self, index: int) -> list[int]:
        """The row numbers of batch `index` (0, 1, ... without end)."""
        epoch, place = divmod(index, self.per_epoch)
        return self._epoch(epoch)[place]

    def _make_epoch(self, epoch: int) -> list[list[int]]:
        chance = random.Random(f"{self.seed}/{epoch}")
        shuffled = list(range(self.count))
        chance.shuffle(shuffled)
        size = self.batch_size
        if self.lengths is None:
            return [shuffled[at : at + size] for at in range(0, self.per_epoch * size, size)]
        batches: list[list[int]] = []
        kept = shuffled[: self.per_epoch * size]
        for at in range(0, len(kept), size * WINDOW):
            window = sorted(kept[at : at + size * WINDOW], key=self.lengths.__getitem__)
            batches.extend(window[start : start + size] for start in range(0, len(window), size))
        chance.shuffle(batches)
        return batches
