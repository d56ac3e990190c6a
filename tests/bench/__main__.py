"""Every benchmark, on a PostgreSQL of its own with fsync on: `python -m tests.bench [intake export grouping queue page
scorecard convergence quality merging agreement checks consensus grouping-science hostile logprobs packing saturation
storm]`. The storm kills its database, so it makes one for itself; agreement, checks, consensus, grouping-science,
hostile, log-probs, packing and saturation need none.

Figures that are kept stand in docs/benchmarks.md with the machine they came from.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from annotate.hosting import postgres

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLIC = {"grouping": ("fgrlhf_dev", "wmt_sxs23-ende"), "consensus": ("wmt_sxs23-ende", "lspan_d2t")}
FILES = {name: [ROOT.parent / "shared" / "data" / f"{file}.jsonl.gz" for file in PUBLIC[name]] for name in PUBLIC}
ARGUMENTS = {name: [str(path) for path in FILES[name] if path.exists()] for name in FILES}
ON_ONE_DATABASE = ("intake", "export", "grouping", "queue", "page", "scorecard", "convergence", "quality", "merging")
BY_ITSELF = {
    "agreement": "agreement",
    "checks": "checks",
    "consensus": "consensus",
    "grouping-science": "grouping_science",
    "hostile": "hostile",
    "logprobs": "logprobs",
    "packing": "packing",
    "saturation": "saturation",
    "storm": "queue_storm",
}


def main(names: list[str]) -> None:
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")  # noqa: T201
    wanted = names or [*ON_ONE_DATABASE, *BY_ITSELF]
    if on_one := [name for name in wanted if name not in BY_ITSELF]:
        _on_one_database(on_one)
    for name in wanted:
        if name in BY_ITSELF:
            _say(name)
            _run(["-m", f"tests.bench.{BY_ITSELF[name]}", *ARGUMENTS.get(name, [])], dict(os.environ))


def _on_one_database(names: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="negativa-bench-", dir="/tmp") as folder:
        home = Path(folder)
        home.chmod(0o711)  # the database's user must pass through
        cluster = postgres.Cluster(home=home)
        with cluster.held():
            environment = {**os.environ, "NEGATIVA_HOME": folder, "DATABASE_URL": cluster.url()}
            _run(["manage.py", "migrate", "--verbosity", "0"], environment)
            for name in names:
                _say(name)
                _run(["-m", f"tests.bench.{name}", *ARGUMENTS.get(name, [])], environment)
        cluster.wait_stopped(seconds=60)


def _say(name: str) -> None:
    print(f"\n{name}", flush=True)  # noqa: T201


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
