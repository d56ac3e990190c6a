"""Imports: one task a batch, and a sweep for those that were asked for and lost, or left by a killed worker."""

from annotate import clock
from annotate.intake import queries
from annotate.judgments import imports
from worker.task import task


@task()
def run_import(batch_id: int) -> None:
    imports.run(batch_id=batch_id, clock=clock.now)


@task(every=10)
def sweep_imports() -> None:
    for batch_id in queries.waiting_ids(now=clock.now()):
        run_import.nudge(batch_id)
