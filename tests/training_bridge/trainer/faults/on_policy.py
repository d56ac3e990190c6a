"""NSR and W-REINFORCE as they are run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import generation, loop, rewards
from training_bridge.trainer.losses import nsr
from training_bridge.trainer.recipes import on_policy

Function = Callable[..., Any]


def draws_cooler(settings: Function) -> Function:
    return lambda **given: settings(**{**given, "temperature": 0.8})


def cuts_the_tail(settings: Function) -> Function:
    return lambda **given: settings(**{**given, "top_p": 0.95})


def forgets_the_padding(complete: Function) -> Function:
    """Prompts of a batch are cut to the shortest one, as if nothing stood left of it."""

    def faulty(*, prompts: list[list[int]], **given: Any) -> Any:
        shortest = min(len(each) for each in prompts)
        return complete(prompts=[each[:shortest] for each in prompts], **given)

    return faulty


def judges_upside_down(violated: Function) -> Function:
    return lambda **given: [] if violated(**given) else ["nothing"]


def counts_right_as_wrong(loss: Function) -> Function:
    def faulty(*, is_right: Any, **given: Any) -> Any:
        return loss(is_right=is_right & False, **given)

    return faulty


def counts_answers_not_tokens(drawn: Function) -> Function:
    def faulty(*given: Any) -> Any:
        found = drawn(*given)
        return dataclasses.replace(found, tokens=found.count)

    return faulty


def draws_for_each_micro_batch(loss: Function) -> Function:
    """As if each micro-batch were a step of its own: other answers, and its own count of tokens."""

    def faulty(task: Any, rows: Any, step: loop.Step[Any]) -> Any:
        alone = dataclasses.replace(step, rows=rows, _found={})
        step.once("answers", lambda: on_policy.drawn(task, step))
        return loss(task, rows, alone)

    return faulty


FAULTS = [
    Fault("on_policy.draws_from_the_policy_itself", generation, draws_cooler, "Settings"),
    Fault("on_policy.draws_from_the_policy_itself", generation, cuts_the_tail, "Settings"),
    Fault("on_policy.draws_from_the_policy_itself", generation, forgets_the_padding, "complete"),
    Fault("on_policy.a_step_is_the_policy_gradient", nsr, counts_right_as_wrong),
    Fault("on_policy.a_step_is_the_policy_gradient", rewards, judges_upside_down, "violated"),
    Fault("on_policy.a_step_is_the_policy_gradient", on_policy, counts_answers_not_tokens, "drawn"),
    Fault("on_policy.a_step_in_four_equals_at_once", on_policy, draws_for_each_micro_batch),
]
