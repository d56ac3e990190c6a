"""The demo's steps, in order, as the page and the command show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Step:
    """`seconds` is about how long it takes on two quiet cores; only the progress bar rests on it."""

    key: str
    title: str
    seconds: int


STEPS = (
    Step(key="base", title="Train a small language model from scratch, and let it answer", seconds=170),
    Step(key="campaign", title="Open a campaign and bring the model's answers into its queue", seconds=6),
    Step(key="judge", title="A script judges the answers by checking the truth", seconds=20),
    Step(key="constraints", title="Group the violations into constraints, and approve them", seconds=5),
    Step(key="datasets", title="Build the D2O and KTO datasets", seconds=4),
    Step(key="d2o", title="Train on the rejections with D2O, and let the new checkpoint answer", seconds=60),
    Step(key="kto", title="Train on both verdicts with KTO, and let the new checkpoint answer", seconds=40),
    Step(key="evaluate", title="The script judges both checkpoints' answers to new questions", seconds=25),
    Step(key="compare", title="Compare before and after, constraint by constraint", seconds=5),
)
TOTAL_SECONDS = sum(step.seconds for step in STEPS)
KEYS = tuple(step.key for step in STEPS)


def overall(*, key: str, fraction: float) -> float:
    """The share of the whole that is done when `fraction` of the step `key` is."""
    before = sum(step.seconds for step in STEPS[: KEYS.index(key)])
    return (before + STEPS[KEYS.index(key)].seconds * min(1.0, max(0.0, fraction))) / TOTAL_SECONDS
