from __future__ import annotations

import doctest
import itertools
import subprocess
import sys

from tests.architecture import places
from training_bridge.demo import check, world
from training_bridge.formats.checks import declared

PROMPT = "Ann has 8 apples and gets 5 more. How many apples does Ann have?"
DECLARED = [{"check": "python", "function": "training_bridge.demo.check.findings"}]


def test_findings_are_those_of_the_truth() -> None:
    [named] = declared.read(DECLARED, loads=True)
    assert named.check.findings(prompt=PROMPT, output="8 + 5 = 13. Ann has 13 apples.") == []
    [found] = named.check.findings(prompt=PROMPT, output="8 + 5 = 13. Ann has 12 apples.")
    assert (found.start, found.end) == (20, 22)
    assert doctest.testmod(check).failed == 0


def test_findings_of_other_prompts_and_of_nothing() -> None:
    assert check.findings(prompt="Why?", output="13")
    for problem in itertools.islice(world.problems(world.HELD_IN, seed=0), 20):
        assert check.findings(prompt=problem.prompt, output="")


def test_the_check_runs_without_django() -> None:
    """The trainer's Python need not have it."""
    program = (
        "import sys; sys.modules['django'] = None\n"
        "from training_bridge.formats.checks import declared\n"
        f"[named] = declared.read({DECLARED!r}, loads=True)\n"
        f"print(len(named.check.findings(prompt={PROMPT!r}, output='Ann has 13 pears.')))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=places.ROOT, capture_output=True, text=True, timeout=250)
    assert done.stdout == "1\n", done.stderr
