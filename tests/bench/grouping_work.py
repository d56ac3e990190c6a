"""What a worker does, in a process of its own: `python -m tests.bench.grouping_work CAMPAIGN`. Prints one line of JSON.

Opens the campaign's regrouping, or takes part in the one that is open, and places what no other worker has.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any


def main(campaign_id: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    from django.db import connection

    from annotate import clock
    from annotate.constraints.grouping import actions, clustering, placing
    from annotate.constraints.grouping.embedding import Text

    clustering.group(items=[clustering.Item(n, Text(f"warm {n}")) for n in range(40)])
    spent: dict[str, list[float]] = {"database": [], "store": [], "cluster": []}
    placing.store = _timed(placing.store, spent["store"])
    clustering.group = _timed(clustering.group, spent["cluster"])

    def database(execute: Callable[..., Any], *arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            spent["database"].append(time.perf_counter() - started)

    before, started, worked = _peak(), time.perf_counter(), time.process_time()
    assigned = 0
    with connection.execute_wrapper(database):
        shard_ids = actions.open_regrouping(campaign_id=campaign_id, now=clock.now())
        opened = time.perf_counter() - started
        for shard_id in shard_ids:
            has_more = True
            while has_more:
                portion = actions.place_portion(shard_id=shard_id, now=clock.now())
                assigned, has_more = assigned + portion.assigned, portion.has_more
    told = {
        "assigned": assigned,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - worked,
        "opened": opened,
        "database": sum(spent["database"]),
        "clustering": sum(spent["cluster"]),
        "longest_store": max(spent["store"], default=0.0),
        "portions": len(spent["store"]),
        "before": before,
        "peak": _peak(),
    }
    print(json.dumps(told))  # noqa: T201


def _timed(function: Callable[..., Any], into: list[float]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            into.append(time.perf_counter() - started)

    return timed


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
