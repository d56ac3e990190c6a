"""When dataset versions are built."""

from __future__ import annotations

from annotate import clock
from training_bridge.exports import actions, queries
from worker.task import task


@task()
def build(dataset_id: int) -> None:
    actions.build(dataset_id=dataset_id, clock=clock.now)


@task(every=10)
def sweep() -> None:
    for dataset_id in queries.waiting_ids(now=clock.now()):
        build.nudge(dataset_id)
