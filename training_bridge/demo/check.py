"""The demo's truth as an executable check, which a run names `training_bridge.demo.check.findings`."""

from __future__ import annotations

from training_bridge.demo import truth, world
from training_bridge.formats.checks import finding


def findings(*, prompt: str, output: str) -> list[finding.Finding]:
    """Return what is wrong with an answer to a question of the demo's world; any other prompt has no right answer.

    >>> prompt = "Ann has 8 apples and gets 5 more. How many apples does Ann have?"
    >>> [each.message for each in findings(prompt=prompt, output="Ann has 13 pears.")]
    ['Wrong unit: pears should be apples.']
    """
    problem = world.parse(prompt)
    if problem is None:
        return [finding.Finding(message="This is no question of the demo's world.")]
    return [
        finding.Finding(message=each.critique, start=each.start, end=each.end)
        for each in truth.judge(problem=problem, text=output)
    ]
