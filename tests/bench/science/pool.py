"""Cells in worker processes of one thread each; every line of results.jsonl is one cell, and is not run again."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterable
from concurrent import futures
from pathlib import Path
from typing import Any

from tests.bench.science import cells

RESULTS = "results.jsonl"


def results(work: Path) -> dict[str, dict[str, Any]]:
    """The finished cells by key; a torn last line is passed over."""
    found: dict[str, dict[str, Any]] = {}
    path = work / RESULTS
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found[row["key"]] = row
    return found


def run(wanted: Iterable[cells.Cell], *, work: Path, workers: int, until: float) -> int:
    """Run what is missing, in order, beginning none after `until` (Unix seconds); return how many are left."""
    work.mkdir(parents=True, exist_ok=True)
    done = results(work)
    waiting = [cell for cell in wanted if cell.key not in done]
    waiting.reverse()
    context = multiprocessing.get_context("spawn")
    with futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        at_work: set[futures.Future[dict[str, Any]]] = set()
        while at_work or (waiting and time.time() < until):
            while waiting and len(at_work) < workers and time.time() < until:
                at_work.add(pool.submit(cells.run, waiting.pop(), work=work))
            ended, at_work = futures.wait(at_work, return_when=futures.FIRST_COMPLETED)
            for each in ended:
                _keep(work / RESULTS, each.result(), left=len(waiting) + len(at_work))
    return len(waiting)


def _keep(path: Path, result: dict[str, Any], *, left: int) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(result) + "\n")
    said = result["reason"] or f"clean {result['clean']:.3f}"
    print(f"{result['key']}: {said}, {result['seconds']} s, {left} left", flush=True)  # noqa: T201
