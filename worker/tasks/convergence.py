"""When the figures of a campaign's convergence are brought up to date."""

from __future__ import annotations

from annotate import clock
from annotate.constraints.convergence import actions as convergence
from annotate.constraints.convergence import queries as convergence_queries
from worker.task import task


@task()
def compute(campaign_id: int) -> None:
    is_looked = convergence.look(campaign_id=campaign_id, clock=clock.now)
    convergence.compute(campaign_id=campaign_id, clock=clock.now, is_looked=is_looked)


@task(every=60)
def sweep() -> None:
    for campaign_id in convergence_queries.waiting_ids(now=clock.now()):
        compute.nudge(campaign_id)
