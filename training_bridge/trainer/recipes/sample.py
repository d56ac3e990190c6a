"""Sample: nothing is trained; the base answers the prompts."""

from __future__ import annotations

from training_bridge.trainer import errors, job, models, sampling


def run(job: job.Job) -> None:
    if job.spec.sampling is None:
        raise errors.Refused("The method is sample, but the spec has no sampling part.")
    job.reporter.phase("loading")
    sampling.run(job=job, policy=models.load(asked=job.spec))
