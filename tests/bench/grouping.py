"""Grouping, measured: `python -m tests.bench.grouping [FILE.jsonl.gz ...] [--count 10000]`.

Files are canonical JSONL. Then `--count` generated violations of one tag are grouped: 60 complaints with varied words,
a fifth of them unlike anything. Prints seconds, constraints and the peak of resident memory. Where there is a database
it goes on with grouping_scale.py: through the database, by worker processes, killed in the middle, and what is new.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from annotate.constraints.grouping import clustering as grouping
from annotate.constraints.grouping.clustering import Item
from annotate.constraints.grouping.embedding import Text

WORDS = [
    a + b + c for a in ("ba", "ke", "li", "mo", "nu", "ra") for b in "dfgklmnprst" for c in ("an", "er", "in", "os")
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=10_000)
    given = parser.parse_args()
    for path in given.files:
        measure(path.name, read(path))
    measure(f"{given.count} generated", {"one tag": generated(given.count)})
    if os.environ.get("DATABASE_URL"):
        subprocess.run([sys.executable, "-m", "tests.bench.grouping_scale"], check=True)


def measure(name: str, tags: Mapping[str, Sequence[Item]]) -> None:
    started, worked = time.perf_counter(), time.process_time()
    found = [grouping.group(items=items) for items in tags.values()]
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    constraints = sum(len(each.groups) + bool(each.rest) for each in found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    count = sum(map(len, tags.values()))
    times = f"{seconds:.2f} s ({cpu:.2f} s CPU)"
    print(f"{name}: {count} violations, {constraints} constraints, {times}, peak {peak:.0f} MiB")  # noqa: T201


def read(path: Path) -> dict[str, list[Item]]:
    tags: dict[str, list[Item]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            record = json.loads(line)
            marks = [mark for each in record["annotations"] for mark in each["tags"]]
            for place, mark in enumerate(marks):
                start, end = mark.get("start"), mark.get("end")
                quote = "" if start is None else record["output"][start:end]
                text = Text(mark.get("comment") or "", quote, mark.get("edited") or "")
                tags[mark["type"]].append(Item(number * 10_000 + place, text))
    return tags


def generated(count: int) -> list[Item]:
    pick = random.Random(0)
    complaints = [" ".join(pick.sample(WORDS, 6)) for _ in range(60)]
    made = []
    for number in range(count):
        said = (
            " ".join(pick.sample(WORDS, 8))
            if pick.random() < 0.2
            else f"{pick.choice(complaints)} {pick.choice(WORDS)}"
        )
        made.append(Item(number, Text(said, " ".join(pick.sample(WORDS, 3)), pick.choice(WORDS))))
    return made


if __name__ == "__main__":
    main()
