"""Questions come back from annotators who went away."""

from annotate import clock
from annotate.verification import actions
from worker.task import task


@task(every=60)
def expire() -> None:
    while actions.expire_overdue(now=clock.now()):
        continue
