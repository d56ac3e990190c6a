"""Time a block of a benchmark, and print what it cost."""

from __future__ import annotations

import resource
import time


class measured:  # noqa: N801 - reads as a verb where it stands
    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.started, self.worked = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        seconds, cpu = time.perf_counter() - self.started, time.process_time() - self.worked
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{self.what}: {seconds:.2f} s ({cpu:.2f} s CPU here), peak so far {peak:.0f} MiB", flush=True)  # noqa: T201
