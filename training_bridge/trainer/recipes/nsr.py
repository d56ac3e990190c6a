"""NSR: wrong answers of the model's own become rarer; right ones are left alone. The loss is in losses/nsr.py."""

from __future__ import annotations

from training_bridge.trainer import job
from training_bridge.trainer.recipes import on_policy


def run(job: job.Job) -> None:
    """NSR on fresh answers, judged by the run's checks."""
    on_policy.run(job=job, right_weight=0.0)
