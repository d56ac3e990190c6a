"""When violations are grouped into constraints."""

from __future__ import annotations

from annotate import clock
from annotate.constraints import actions, queries
from worker.task import task


@task()
def regroup(campaign_id: int) -> None:
    actions.regroup(campaign_id=campaign_id, now=clock.now(), wait=False)


@task(every=10)
def sweep() -> None:
    for campaign_id in queries.waiting_campaign_ids():
        regroup.nudge(campaign_id)
