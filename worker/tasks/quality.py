"""When the figures about annotators are computed."""

from __future__ import annotations

from annotate import clock
from annotate.quality import actions as quality
from worker.task import task


@task()
def compute(assessment_id: int) -> None:
    quality.compute(assessment_id=assessment_id, clock=clock.now)


@task(every=60)
def sweep() -> None:
    for assessment_id in quality.due(now=clock.now()):
        compute.nudge(assessment_id)
