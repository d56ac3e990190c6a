"""How fast an import is, beside a bare COPY of the same rows, and how much memory it takes.

    python -m tests.bench.intake [--rows 20000 200000]

Run it against a migrated database that may be filled: each size makes a campaign of its own and deletes it again. Every
import runs in a process of its own, so that its peak memory is its own. Rows: a 200-character prompt (four outputs
share one), a 400-character output, one annotation with two spans.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

WORDS = ("the", "album", "was", "released", "in", "two", "thousand", "eighteen", "by", "a", "label", "and", "won")


def write_rows(path: Path, count: int) -> None:
    chance = random.Random(count)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            output = " ".join(chance.choices(WORDS, k=80))[:400]
            tags = [{"type": "Invented fact", "severity": "major", "start": at, "end": at + 20} for at in (10, 200)]
            record = {
                "prompt": f"{number // 4} " + "Tell me of the album. " * 9,
                "output": output,
                "model": f"model-{number % 4}",
                "annotations": [{"annotator": f"rater{number % 5}", "ok": False, "tags": tags}],
            }
            file.write(json.dumps(record) + "\n")


def bare_copy(path: Path) -> float:
    """Seconds to COPY prompt, output and model of every row into an empty table: the floor under any import."""
    from django.db import connection

    with path.open(encoding="utf-8") as lines:
        rows = [(each["prompt"], each["output"], each["model"]) for each in map(json.loads, lines)]
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_copy")
        cursor.execute("CREATE TABLE bench_copy (id bigserial PRIMARY KEY, prompt text, output text, model text)")
        began = time.perf_counter()
        with cursor.copy("COPY bench_copy (prompt, output, model) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        seconds = time.perf_counter() - began
        cursor.execute("DROP TABLE bench_copy")
    return seconds


def peak_memory() -> int:
    """KiB, of this process alone: getrusage would begin with what the parent had at the fork."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


def one_import(path: Path) -> None:
    """Import `path` twice into a new campaign and print seconds and peak memory as JSON."""
    import django

    django.setup()
    from annotate import clock
    from annotate.accounts.models import User
    from annotate.campaigns import actions as campaigns
    from annotate.campaigns.tags import TagDraft
    from annotate.intake import actions
    from annotate.judgments import imports

    by, _ = User.objects.get_or_create(username="bench")
    tag = TagDraft(name="Invented fact")
    campaign = campaigns.create(by=by, slug=f"bench-{time.time_ns()}", name="Bench", tags=[tag], now=clock.now())
    before = peak_memory()
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        batch = actions.create_batch(
            campaign=campaign, source="file", name=path.name, path=path, by=by, now=clock.now(), namespace="bench"
        )
        batch = imports.run(batch_id=batch.pk, clock=clock.now)
        seconds.append(time.perf_counter() - began)
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "before": before, "peak": peak, "known": batch.known_count}))  # noqa: T201
    delete(campaign.pk)


def delete(campaign_id: int) -> None:
    from django.db import connection

    tables = ("judgments_violation v USING judgments_judgment j WHERE v.judgment_id = j.id AND j.campaign_id = %s",)
    plain = ("judgments_judgment", "queue_queueitem", "intake_output", "intake_prompt", "intake_importbatch")
    with connection.cursor() as cursor:
        for rest in (*tables, *(f"{table} WHERE campaign_id = %s" for table in plain)):
            cursor.execute(f"DELETE FROM {rest}", [campaign_id])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--child", type=Path)
    options = parser.parse_args()
    if options.child:
        one_import(options.child)
        return
    import django

    django.setup()
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.jsonl"
            write_rows(path, count)
            copied = bare_copy(path)
            child = [sys.executable, "-m", "tests.bench.intake", "--child", str(path)]
            found = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
            size = path.stat().st_size / 1e6
        first, again = found["seconds"]
        print(  # noqa: T201
            f"{count:,} rows, {size:.0f} MB: import {count / first:,.0f} rows/s ({first:.1f} s), again "
            f"{count / again:,.0f} rows/s; bare COPY {count / copied:,.0f} rows/s; "
            f"peak {found['peak'] / 1024:.0f} MiB ({found['before'] / 1024:.0f} before)"
        )


if __name__ == "__main__":
    main()
