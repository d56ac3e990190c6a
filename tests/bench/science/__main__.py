"""What the methods do at toy scale, measured: `python -m tests.bench.science base tuning masks ... --work DIR`.

Each plan is a set of cells (world, seed, method, settings); finished ones are lines of DIR/results.jsonl and are not
run again, so a sweep goes on where it was stopped. `report` prints the tables that docs/evidence.md keeps. One thread
a worker; needs no database.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

for name, value in {
    "OMP_NUM_THREADS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}.items():
    os.environ.setdefault(name, value)  # before the heavy imports, which read it once

from tests.bench.science import cells, plans, pool, report, worlds  # noqa: E402

PLANS: dict[str, Callable[[str, Sequence[int], plans.Results], Iterable[cells.Cell]]] = {
    "base": lambda world, seeds, _: plans.base(world, seeds),
    "tuning": lambda world, seeds, _: plans.tuning(world, seeds),
    "masks": lambda world, seeds, _: plans.masks(world, seeds),
    "compared": lambda world, seeds, results: plans.compared(world, seeds, results, ways=plans.WAYS),
    "core": lambda world, seeds, results: plans.compared(world, seeds, results, ways=plans.CORE),
    "on-policy": lambda world, seeds, results: plans.compared(world, seeds, results, ways=plans.ON_POLICY),
    "defaults": lambda world, seeds, _: plans.defaults(world, seeds),
    "guarded": lambda world, seeds, results: plans.guarded(world, seeds, results),
}
SEEDS = {
    "base": (*plans.SEEDS, *plans.FRESH_SEEDS),
    "defaults": plans.FRESH_SEEDS,
    "guarded": plans.FRESH_SEEDS,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.science")
    parser.add_argument("plans", nargs="+", choices=[*PLANS, "report"])
    parser.add_argument("--work", type=Path, required=True, help="the folder of bases and results")
    parser.add_argument("--worlds", nargs="+", choices=list(worlds.WORLDS), default=["words"])
    parser.add_argument("--seeds", nargs="+", type=int, help="1 to 5; defaults and guarded 6 to 10, base all ten")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--until", help="HH:MM, today: begin no cell later")
    options = parser.parse_args()
    until = math.inf
    if options.until:
        hour, minute = map(int, options.until.split(":"))
        until = datetime.fromtimestamp(time.time()).replace(hour=hour, minute=minute).timestamp()  # noqa: DTZ006
    work = options.work.resolve()
    for plan in options.plans:
        for place in options.worlds:
            if plan == "report":
                print(report.tables(pool.results(work), place))  # noqa: T201
                continue
            wanted = list(PLANS[plan](place, options.seeds or SEEDS.get(plan, plans.SEEDS), pool.results(work)))
            pool.run(wanted, work=work, workers=options.workers, until=until)


if __name__ == "__main__":
    main()
