"""When demos whose process died are marked as stopped."""

from __future__ import annotations

from annotate import clock
from training_bridge.demo import actions
from worker.task import task


@task(every=30)
def sweep() -> None:
    actions.stop_silent(now=clock.now())
