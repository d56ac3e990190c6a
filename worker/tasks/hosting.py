"""Housekeeping of the platform's own tables."""

from annotate import clock
from annotate.hosting import actions
from worker.task import task


@task(every=3600)
def forget() -> None:
    actions.forget(now=clock.now())
