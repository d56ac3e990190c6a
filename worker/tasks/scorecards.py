"""When scorecards of constraints are measured anew."""

from __future__ import annotations

from annotate import clock
from annotate.constraints.scorecard import scoring
from annotate.verification import answered
from worker.task import task


@task()
def measure(campaign_id: int) -> None:
    scoring.measure(
        campaign_id=campaign_id,
        now=clock.now(),
        last_answer=answered.last_answers().get(campaign_id, 0),
        answered=answered.by_constraint(campaign_id=campaign_id),
    )


@task(every=60)
def sweep() -> None:
    for campaign_id in scoring.waiting_campaign_ids(now=clock.now(), last_answers=answered.last_answers()):
        measure.nudge(campaign_id)
