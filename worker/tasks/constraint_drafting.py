"""When a model drafts the statements of candidates that nobody named."""

from __future__ import annotations

from annotate import clock
from annotate.constraints.drafting import actions, queries
from worker.task import task


@task(every=60)
def sweep() -> None:
    for constraint_id in queries.waiting_ids(now=clock.now()):
        if not actions.draft(constraint_id=constraint_id, now=clock.now()):
            return
