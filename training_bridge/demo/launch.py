"""Starts `manage.py demo` as a process of its own, so that a page may ask for minutes of work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from annotate import errors


class CannotStart(errors.OutsideError):
    """The process could not be started."""


def start(*, run_id: int) -> None:
    """Start telling the demo, apart from this process and its terminal. Raises CannotStart.

    What it writes goes to HOME/demo-cache/demo-<id>.log; where it is stands in its row.
    """
    base = Path(settings.BASE_DIR)
    log = log_of(run_id=run_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("ab") as output:
            # It forks, so that init and not this server waits for the demo's end: no zombie is left.
            subprocess.run(
                ["setsid", "--fork", sys.executable, str(base / "manage.py"), "demo", "--demo-run", str(run_id)],
                cwd=base,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=True,
            )
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotStart(f"The demo's process could not be started: {error}") from error


def log_of(*, run_id: int) -> Path:
    return Path(settings.HOME) / "demo-cache" / f"demo-{run_id}.log"
