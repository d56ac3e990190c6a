"""When constraints are compared for being one and the same."""

from __future__ import annotations

from annotate import clock
from annotate.constraints.merging import actions as merging_actions
from annotate.constraints.merging import queries as merging_queries
from worker.task import task


@task()
def compare(campaign_id: int) -> None:
    merging_actions.compare(campaign_id=campaign_id, now=clock.now())


@task(every=60)
def sweep() -> None:
    for campaign_id in merging_queries.waiting_campaign_ids(now=clock.now()):
        compare.nudge(campaign_id)
