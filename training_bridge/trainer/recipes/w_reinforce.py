"""W-REINFORCE: as NSR, and right answers become a little likelier. The loss is in losses/nsr.py."""

from __future__ import annotations

from training_bridge.trainer import job
from training_bridge.trainer.recipes import on_policy


def run(job: job.Job) -> None:
    """W-REINFORCE on fresh answers, judged by the run's checks; lambda is `right_weight`."""
    on_policy.run(job=job, right_weight=job.settings.right_weight)
