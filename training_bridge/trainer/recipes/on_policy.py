"""What NSR and W-REINFORCE share: in every step the model answers, checks judge, and the loss is of those answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from training_bridge.formats.checks import declared
from training_bridge.trainer import (
    data,
    errors,
    job,
    logprobs,
    loop,
    models,
    probe,
    rewards,
    rollouts,
)
from training_bridge.trainer.losses import nsr
from training_bridge.trainer.recipes import training


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An answer and the names of the checks that it violates; none: it is right."""

    rollout: rollouts.Rollout
    violated: list[str]

    @property
    def is_right(self) -> bool:
        return not self.violated


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A step's answers by the number of their prompt; over all its rows, how many answers and drawn tokens there are.

    A prompt that stands in the step twice has its answers counted twice.
    """

    by_prompt: Mapping[int, list[Judged]]
    count: int
    tokens: int


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run's question to the model: what is drawn, what is right, and what a right answer counts."""

    job: job.Job
    policy: models.Policy
    checks: Sequence[declared.Named]
    right_weight: float


def run(*, job: job.Job, right_weight: float) -> None:
    """See what the base gets right by itself, then lower the loss of answers drawn anew in each step."""
    checks = rewards.checks_of(job=job)

    def prepare(policy: models.Policy) -> training.Plan[rollouts.Prompt]:
        prompts = rollouts.prompts(job=job, policy=policy)
        task = Task(job=job, policy=policy, checks=checks, right_weight=right_weight)
        return training.Plan(
            rows=prompts,
            loss=lambda batch, step: loss(task, batch, step),
            watched=watched(task, prompts),
            lengths=[len(each.ids) for each in prompts],
        )

    training.run(job=job, prepare=prepare)


def loss(task: Task, rows: list[rollouts.Prompt], step: loop.Step[rollouts.Prompt]) -> loop.Loss:
    """The micro-batch's share of the step's loss, which is a mean over all tokens that were drawn for it.

    Between the draw and the step the policy stands still, so the log-probs with which the tokens were drawn are those
    found here, and no second pass is paid for them.
    """
    answers = step.once("answers", lambda: drawn(task, step))
    judged = [each for row in rows for each in answers.by_prompt[row.number]]
    items = [each.rollout.item for each in judged]
    batch = logprobs.collate(items, device=task.policy.device)
    found, entropy = logprobs.with_entropy(task.policy, batch)
    is_right = torch.tensor([each.is_right for each in judged], device=task.policy.device)
    losses = nsr.loss(
        logprobs=found,
        drawn=found,
        mask=batch.real / answers.tokens,
        is_right=is_right,
        right_weight=task.right_weight,
    )
    parts = {"right": is_right.sum() / answers.count, "entropy": entropy.sum() / answers.tokens}
    return loop.Loss(value=losses.sum(), parts=parts, tokens=sum(len(item.ids) for item in items))


def drawn(task: Task, step: loop.Step[rollouts.Prompt]) -> Answers:
    """Draw and judge the answers of a whole step; the event `rollouts` tells of them.

    The draw is one of the whole step, whatever its micro-batches, and its seed is the run's seed and the step's number:
    a run that was killed draws the same answers again. Every process draws all of them.
    """
    settings = task.job.settings
    seed = f"rollouts/{settings.seed}/{step.number}"
    found = rollouts.draw(job=task.job, policy=task.policy, prompts=step.rows, count=settings.rollouts, seed=seed)
    by_prompt = {number: [judge(task, each) for each in answers] for number, answers in found.items()}
    for row in step.rows:
        row.answers = [each.item for each in found[row.number]]
    whole = [each for row in step.rows for each in by_prompt[row.number]]
    tokens = sum(each.rollout.item.length for each in whole)
    task.job.reporter.event("rollouts", step=step.number + 1, **figures(whole))
    return Answers(by_prompt=by_prompt, count=len(whole), tokens=tokens)


def judge(task: Task, rollout: rollouts.Rollout) -> Judged:
    violated = rewards.violated(checks=task.checks, prompt=rollout.prompt.text, output=rollout.text)
    return Judged(rollout=rollout, violated=violated)


def figures(judged: Sequence[Judged]) -> dict[str, object]:
    """What is told of a set of answers; lengths are in tokens, with the end-of-text."""
    return {
        "answers": len(judged),
        "right": sum(each.is_right for each in judged) / len(judged),
        "violations": dict(Counter(name for each in judged for name in each.violated)),
        "mean_length": sum(each.rollout.item.length for each in judged) / len(judged),
        "cut_off": sum(not each.rollout.ended for each in judged),
    }


def watched(task: Task, prompts: Sequence[rollouts.Prompt]) -> list[data.Encoded]:
    """The base's own right answers to some of the prompts, one each: what it can do and should not unlearn.

    Drawn before any state is resumed, so a killed run watches the same. The event `base` tells how it does.
    """
    seed = f"watched/{task.job.settings.seed}"
    some = prompts[:: max(1, len(prompts) // probe.SIZE)][: probe.SIZE]
    found = rollouts.draw(job=task.job, policy=task.policy, prompts=some, count=1, seed=seed)
    judged = [judge(task, each) for answers in found.values() for each in answers]
    task.job.reporter.event("base", **figures(judged))
    right = [each.rollout.item for each in judged if each.is_right]
    if task.job.settings.stop_below and not right:
        raise errors.Refused(
            f"stop_below watches right answers of the base, and none of {len(judged)} that were drawn is right. Set it "
            "to 0."
        )
    return right
