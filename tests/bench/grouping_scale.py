"""Grouping through the database, measured: `python -m tests.bench.grouping_scale [--sizes 10000 ...] [--workers 1]`.

For each size a campaign is filled and grouped by worker processes, while somebody accepts and reopens constraints
beside them; 1,000 more violations are placed; then everything is grouped anew, with the first worker killed in the
middle by SIGKILL and another one going on, and every violation must be where it was. Needs a database (DATABASE_URL):
`make bench ARGS=grouping` makes one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

NEW = 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--anew-upto", type=int, default=100_000, help="the largest size that is grouped anew too")
    given = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
    import django

    django.setup()
    for size in given.sizes:
        measure(size, workers=given.workers, is_grouped_anew=size <= given.anew_upto)


def measure(size: int, *, workers: int, is_grouped_anew: bool) -> None:
    from tests.bench import grouping_world

    started = time.perf_counter()
    world = grouping_world.World()
    world.add(size)
    say(f"{size} violations of {len(grouping_world.SHARES)} tags, filled in {time.perf_counter() - started:.0f} s")
    campaign_id = int(world.campaign.pk)
    started = time.perf_counter()
    processes = [work(campaign_id) for _ in range(workers)]
    waits = act_beside(world, processes)
    report("  all, from nothing", [told(each) for each in processes], time.perf_counter() - started, size)
    if waits:
        median, most = statistics.median(waits), max(waits)
        say(f"    {len(waits)} acts of a person meanwhile: median {median:.3f} s, at most {most:.3f} s")
    say(f"    {purity(campaign_id)}")
    world.add(NEW)
    look(campaign_id)
    reads = rows_read()
    told_ = told(work(campaign_id))
    report(f"  {NEW} more", [told_], told_["seconds"], NEW)
    since = {name: count - reads[name] for name, count in rows_read().items()}
    say(f"    rows read: {', '.join(f'{count} of {name}' for name, count in since.items())}")
    if is_grouped_anew:
        anew(world, size + NEW)


def anew(world: Any, size: int) -> None:
    """Group anew to the end, then again with a kill in the middle: both must be the same."""
    from annotate import clock
    from annotate.constraints.grouping import actions

    snapshots = []
    for is_killed in (False, True):
        actions.request(campaign=world.campaign, by=world.by, now=clock.now())
        started = time.perf_counter()
        if is_killed:
            first = work(int(world.campaign.pk))
            wait_for(world.campaign.pk, size // 3)
            first.send_signal(signal.SIGKILL)
            first.wait()
            say(f"  killed by SIGKILL when {placed(world.campaign.pk)} of {size} were placed")
        found = told(work(int(world.campaign.pk)))
        name = "the rest, after the kill" if is_killed else "everything anew"
        report(f"  {name}", [found], time.perf_counter() - started, found["assigned"])
        snapshots.append(places(world.campaign.pk))
    same = len(snapshots[0] & snapshots[1])
    say(f"    {same} of {size} violations are where they are without the kill, with the same similarity")


def work(campaign_id: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.grouping_work", str(campaign_id)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a worker ended with {process.returncode}")
    return dict(json.loads(output))


def report(name: str, workers: list[dict[str, Any]], seconds: float, count: int) -> None:
    cpu = _sum(workers, "cpu")
    say(
        f"{name}: {_sum(workers, 'assigned'):.0f} placed in {seconds:.1f} s, {count / seconds:.0f}/s; "
        f"workers' CPU {cpu:.1f} s, {count / max(cpu, 0.001):.0f} per CPU second; "
        f"waiting for the database {_sum(workers, 'database'):.1f} s, clustering {_sum(workers, 'clustering'):.1f} s, "
        f"opening {_most(workers, 'opened'):.1f} s; {_sum(workers, 'portions'):.0f} portions, "
        f"constraints locked {_most(workers, 'longest_store'):.2f} s at most; "
        f"peak {_most(workers, 'peak'):.0f} MiB of a worker, {_most(workers, 'before'):.0f} before"
    )


def _sum(workers: list[dict[str, Any]], name: str) -> float:
    return sum(float(each[name]) for each in workers)


def _most(workers: list[dict[str, Any]], name: str) -> float:
    return max(float(each[name]) for each in workers)


def act_beside(world: Any, processes: list[subprocess.Popen[str]]) -> list[float]:
    """Accept and reopen the constraints in turn, one act a second while the workers work; return how long each took."""
    from annotate import clock
    from annotate.constraints import actions
    from annotate.constraints.models import Constraint

    waits, turn = [], 0
    while any(each.poll() is None for each in processes):
        time.sleep(1)
        living = list(Constraint.objects.living().filter(campaign=world.campaign, is_residual=False).order_by("id"))
        if living:
            each = living[turn % len(living)]
            turn += 7
            for act in (actions.accept, actions.reopen):
                started = time.perf_counter()
                act(constraint=each, by=world.by, now=clock.now())
                waits.append(time.perf_counter() - started)
    return waits


def look(campaign_id: int) -> None:
    """Say what the sweep's question costs: which campaigns have something to group?"""
    from annotate.constraints.grouping import queries

    started = time.perf_counter()
    found = campaign_id in queries.waiting_campaign_ids()
    say(f"  the sweep sees that there is something to do: {found}, in {1000 * (time.perf_counter() - started):.0f} ms")


def rows_read() -> dict[str, int]:
    """Return how many rows of the large tables have been read so far, by scans of the whole and through indexes."""
    from django.db import connection

    time.sleep(2)  # the statistics of a process that ended are there by then
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, coalesce(seq_tup_read, 0), coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE "
            "relname IN ('judgments_violation', 'judgments_judgment', 'constraints_member', 'intake_output') ORDER BY 1"
        )
        return {
            f"{name.partition('_')[2]}s {how}": int(count)
            for name, *counts in cursor.fetchall()
            for how, count in zip(("by scan", "by index"), counts, strict=True)
        }


def purity(campaign_id: int) -> str:
    kinds, right, placed_, groups = row(
        """
        WITH cell AS (
            SELECT m.constraint_id, v.source->>'kind' AS kind, count(*) AS n FROM constraints_member m
            JOIN constraints_constraint c ON c.id = m.constraint_id AND NOT c.is_residual
            JOIN judgments_violation v ON v.id = m.violation_id
            WHERE c.campaign_id = %s AND v.source ? 'kind' GROUP BY 1, 2
        ), best AS (SELECT constraint_id, max(n) AS n FROM cell GROUP BY 1)
        SELECT (SELECT count(*) FROM judgments_violation v JOIN judgments_judgment j ON j.id = v.judgment_id
                WHERE j.campaign_id = %s AND v.source ? 'kind'),
               (SELECT sum(n) FROM best), (SELECT sum(n) FROM cell), (SELECT count(*) FROM best)
        """,
        campaign_id,
        campaign_id,
    )
    return (
        f"{groups} groups; of {kinds} violations with a planted kind {100 * placed_ / kinds:.1f} % are in a group, "
        f"{100 * right / placed_:.1f} % of those in one that is mostly of their kind"
    )


def places(campaign_id: int) -> set[tuple[int, int, float]]:
    from annotate.constraints.models import Member

    rows = Member.objects.filter(constraint__campaign=campaign_id)
    return set(rows.values_list("violation_id", "constraint_id", "similarity").iterator(chunk_size=5000))


def placed(campaign_id: int) -> int:
    return int(
        scalar(
            "SELECT coalesce(sum(s.placed_count), 0)::bigint FROM constraints_shard s "
            "JOIN constraints_regrouping r ON r.id = s.regrouping_id "
            "WHERE r.campaign_id = %s AND r.finished_at IS NULL",
            campaign_id,
        )
    )


def wait_for(campaign_id: int, count: int) -> None:
    while placed(campaign_id) < count:
        time.sleep(0.2)


def scalar(statement: str, *values: object) -> Any:
    return row(statement, *values)[0]


def row(statement: str, *values: object) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, list(values))  # type: ignore[arg-type]
        return cursor.fetchone()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
