"""When the checks of constraints are run on outputs, and compared with what people say of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from annotate import clock
from annotate.constraints.checks import actions as check_actions
from annotate.constraints.checks import judging_queries, running
from annotate.constraints.checks import queries as check_queries
from annotate.verification import verdicts
from worker.task import task

MESSAGE = timedelta(minutes=5)
"""After so long a message ends, and another one goes on: a model may be slow."""


@task()
def run(check_id: int) -> None:
    has_more = _all(running.run, check_id)
    (run if has_more else weigh).nudge(check_id)


@task()
def weigh(check_id: int) -> None:
    _all(running.run_overlooked, check_id)
    check_actions.weigh(check_id=check_id, now=clock.now(), asked=verdicts.by_output)


def _all(step: Callable[..., int], check_id: int) -> bool:
    """Take the steps there are, within a MESSAGE. Returns whether there are more."""
    until = clock.now() + MESSAGE
    while step(check_id=check_id, now=clock.now()):
        if clock.now() > until:
            return True
    return False


@task(every=20)
def sweep() -> None:
    paused = judging_queries.paused_ids(now=clock.now())
    for check_id in check_queries.waiting_ids():
        if check_id not in paused:
            run.nudge(check_id)


@task(every=300)
def weigh_all() -> None:
    for check_id in check_queries.running_ids():
        weigh.nudge(check_id)
