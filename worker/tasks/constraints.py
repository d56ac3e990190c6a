"""When violations are grouped into constraints."""

from __future__ import annotations

from collections.abc import Sequence

from annotate import clock
from annotate.constraints.grouping import actions, queries
from worker.task import task

PORTIONS = 30
"""How many portions one message places, well within the time that a task may take; then it sends another one."""


@task()
def regroup(campaign_id: int) -> None:
    """Other workers take the other tags; what nobody takes is done here, one tag after the other."""
    shard_ids = actions.open_regrouping(campaign_id=campaign_id, now=clock.now())
    for shard_id in shard_ids[1:]:
        place.nudge(shard_id)
    _place(shard_ids)


@task()
def place(shard_id: int) -> None:
    _place([shard_id])


@task(every=10)
def sweep() -> None:
    for campaign_id in queries.waiting_campaign_ids():
        regroup.nudge(campaign_id)
    for shard_id in queries.silent_shard_ids(now=clock.now()):
        place.nudge(shard_id)


def _place(shard_ids: Sequence[int]) -> None:
    left = PORTIONS
    for shard_id in shard_ids:
        while left and actions.place_portion(shard_id=shard_id, now=clock.now()).has_more:
            left -= 1
        if not left:
            place.nudge(shard_id)
