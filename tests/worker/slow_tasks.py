"""Tasks for the tests of the worker itself, and the application that a worker process is started with."""

import os
import time
from pathlib import Path

from worker.app import app
from worker.task import task

app.conf.imports = [*app.conf.imports, "tests.worker.slow_tasks"]

__all__ = ["app", "write"]


@task()
def write(path: str, seconds: float) -> None:
    with Path(path).open("a") as file:
        file.write(f"start {os.getpid()}\n")
    time.sleep(seconds)
    with Path(path).open("a") as file:
        file.write(f"end {os.getpid()}\n")
