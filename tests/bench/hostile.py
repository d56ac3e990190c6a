"""Whether every kind of check takes time in proportion to the text: `python -m tests.bench.hostile`.

Each kind reads each hostile text at three lengths, in this thread's seconds. "Growth" is what a character costs in the
longest text beside the shortest: 1 is in proportion, 50 looks at everything twice; caches that no longer hold a text
make 2 or 3. Where it passes LIMIT nothing longer is tried, and the benchmark ends with 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.training_bridge.formats.checks import hostile
from training_bridge.formats.checks import declared

SIZES = (20_000, 200_000, hostile.LONG)
LIMIT = 5.0
SHORTEST = 0.005  # seconds; what takes less has said nothing


@dataclass(frozen=True)
class Read:
    """The seconds that one kind took for one text, a figure for each length that was tried."""

    check: str
    text: str
    seconds: tuple[float, ...]

    @property
    def growth(self) -> float:
        """
        >>> Read("length", "words", (0.01, 0.1, 1.0)).growth
        2.0
        """
        last = len(self.seconds) - 1
        return self.seconds[last] / max(self.seconds[0], SHORTEST) * SIZES[0] / SIZES[last]


def main() -> int:
    reads = list(_reads())
    heads = " | ".join(f"{size:,}" for size in SIZES)
    print(f"| kind | slowest text | {heads} | growth |\n|---|---|{'---|' * len(SIZES)}---|")  # noqa: T201
    for named in hostile.CHECKS:
        mine = [each for each in reads if each.check == named.name]
        print(_row(max(mine, key=lambda each: (each.growth > LIMIT, each.seconds[-1]))))  # noqa: T201
    steepest = max(reads, key=lambda each: each.growth)
    spent = sum(sum(each.seconds) for each in reads)
    print(f"\n{len(reads)} pairs in {spent:.0f} s; the steepest:\n{_row(steepest)}")  # noqa: T201
    return int(steepest.growth > LIMIT)


def _reads() -> Iterator[Read]:
    for named in hostile.CHECKS:
        for text, made in hostile.TEXTS.items():
            read = Read(check=named.name, text=text, seconds=())
            for size in SIZES:
                read = Read(check=named.name, text=text, seconds=(*read.seconds, _seconds(named, made(size))))
                if read.growth > LIMIT:
                    break
            yield read


def _seconds(named: declared.Named, output: str) -> float:
    began = time.thread_time()
    hostile.findings(named, output)
    return time.thread_time() - began


def _row(read: Read) -> str:
    took = [f"{seconds:.2f}" for seconds in read.seconds] + ["not tried"] * (len(SIZES) - len(read.seconds))
    return f"| {read.check} | {read.text} | {' | '.join(took)} | {read.growth:.1f} |"


if __name__ == "__main__":
    sys.exit(main())
