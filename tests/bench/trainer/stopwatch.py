"""Wall and processor seconds of named parts of a process, and a mark of what it was given to train on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Stopwatch:
    """`wall` and `cpu` seconds by name; a name that is timed twice adds up."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}

    def timed(self, name: str, work: Callable[..., T]) -> Callable[..., T]:
        """`work`, timed under `name` whenever it is called."""

        def call(*given: Any, **named: Any) -> T:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return work(*given, **named)
            finally:
                self.wall[name] = self.wall.get(name, 0.0) + time.perf_counter() - wall
                self.cpu[name] = self.cpu.get(name, 0.0) + time.process_time() - cpu

        return call

    def facts(self) -> dict[str, dict[str, float]]:
        return {"wall": self.wall, "cpu": self.cpu}


def mark_of(step: Iterable[tuple[list[int], list[int], bool]]) -> str:
    """A digest of one step's rows in order: token ids, ids of the mismatched pair, label.

    Two sides with the same marks trained on the same rows, in the same order, with the same pairs.
    """
    return hashlib.sha256(json.dumps([list(row) for row in step]).encode()).hexdigest()[:16]
