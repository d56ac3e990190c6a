"""When training runs are looked after. The training itself is a process of its own, never a task."""

from annotate import clock
from training_bridge.runs import actions, queries
from worker.task import task


@task()
def advance(run_id: int) -> None:
    actions.advance(run_id=run_id, clock=clock.now)


@task(every=5)
def sweep() -> None:
    for run_id in queries.unfinished_ids():
        advance.nudge(run_id)
