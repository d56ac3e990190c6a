"""What an answer is worth to the on-policy methods: right where no check of the run finds anything, else wrong."""

from __future__ import annotations

from collections.abc import Sequence

from training_bridge.formats.checks import declared
from training_bridge.trainer import errors, job

EMPTY = "empty"


def checks_of(*, job: job.Job) -> list[declared.Named]:
    """The run's checks, ready to be called. Raises Refused where there are none, or one that cannot be called here."""
    if not job.spec.checks:
        raise errors.Refused(
            f"{job.spec.method} judges its own answers by executable checks, and this run names none. "
            'Add some to its checks, such as {"check": "length", "most": 60}.'
        )
    try:
        return declared.read(job.spec.checks, loads=True)
    except ValueError as error:
        raise errors.Refused(f"The run's checks cannot be used: {error}.") from error


def violated(*, checks: Sequence[declared.Named], prompt: str, output: str) -> list[str]:
    """Return the names of the checks that find something wrong; none: the answer is right.

    An answer without any text is wrong whatever the checks say, under the name EMPTY: to say nothing violates no rule
    about what may be said, and would be the first thing that such rewards teach.
    """
    if not output.strip():
        return [EMPTY]
    return [each.name for each in checks if each.check.findings(prompt=prompt, output=output)]
