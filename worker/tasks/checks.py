"""When the checks of constraints are run on outputs, and compared with what people say of them."""

from __future__ import annotations

from annotate import clock
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import queries as check_queries
from annotate.constraints.checks import running
from annotate.verification import verdicts
from worker.task import task


@task()
def run(check_id: int) -> None:
    while running.run(check_id=check_id, now=clock.now()):
        continue
    weigh.nudge(check_id)


@task()
def weigh(check_id: int) -> None:
    while running.run_overlooked(check_id=check_id, now=clock.now()):
        continue
    check_actions.weigh(check_id=check_id, now=clock.now(), asked=verdicts.by_output)


@task(every=20)
def sweep() -> None:
    for check_id in check_queries.waiting_ids():
        run.nudge(check_id)


@task(every=300)
def weigh_all() -> None:
    for check_id in check_queries.running_ids():
        weigh.nudge(check_id)
