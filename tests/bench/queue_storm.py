"""The queue in a storm: `python -m tests.bench.queue_storm [--outputs 10000] [--annotators 50] [--kills 40]`.

Annotators judge every output three times through the Work page's doors, while web workers, the web server, sessions of
the database and the whole database are killed (kill -9) at random moments, and started again as the platform would. A
sweep whose clock is ahead takes leases from those who doze. Everything ends when all is judged; then every row is
audited, and what the pages saw is compared with the rows. On a PostgreSQL of its own with fsync on.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from annotate.hosting import postgres

DECK = "worker,worker,worker,server,session,session,database"


def main(arguments: list[str]) -> int:
    options = read(arguments)
    with tempfile.TemporaryDirectory(prefix="negativa-storm-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the database's user must pass through
        cluster = postgres.Cluster(home=home)
        with cluster.held():
            os.environ |= {
                "NEGATIVA_HOME": folder,
                "DATABASE_URL": cluster.url(),
                "DJANGO_SETTINGS_MODULE": "annotate.settings",
                "DEBUG": "false",
            }
            import django

            django.setup()
            from tests.bench import queue_storm_run

            is_kept = queue_storm_run.storm(cluster, options)
        cluster.wait_stopped(seconds=60)
    return 0 if is_kept else 1


def read(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.queue_storm")
    parser.add_argument("--outputs", type=int, default=10_000)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--second-tabs", type=int, default=5, help="how many annotators have a second tab open")
    parser.add_argument("--overlap", type=int, default=3)
    parser.add_argument("--gold", type=int, default=100, help="outputs whose errors are known; 5 of 100 handed out")
    parser.add_argument("--order", choices=("depth", "breadth"), default="depth")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--deck", default=DECK, help="what is killed; shuffled, and shuffled again when it is used up")
    parser.add_argument("--swept-after", type=float, default=8.0, help="seconds; who dozes, dozes half as long again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", help="a file for every step that the pages saw, a JSON line each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
