"""When schedules are looked at: beat calls `fire` at the time, and the sweep finds what beat or a message missed."""

from annotate import clock
from training_bridge.runs import queries, schedule_actions
from worker.task import task


@task()
def fire(schedule_id: int) -> None:
    firing = schedule_actions.fire(schedule_id=schedule_id, now=clock.now())
    if firing is not None:
        follow.nudge(firing.pk)


@task()
def follow(firing_id: int) -> None:
    schedule_actions.follow(firing_id=firing_id, clock=clock.now)


@task(every=30)
def sweep() -> None:
    for schedule_id in queries.enabled_schedule_ids():
        fire.nudge(schedule_id)
    for firing_id in queries.unfinished_firing_ids():
        follow.nudge(firing_id)
