"""NSR and W-REINFORCE as they are run: what is drawn, and what one step of the real loop makes of it."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training_bridge.formats.checks import declared
from training_bridge.trainer import loop, models, rollouts
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import on_policy

WITHIN = 1e-5  # float32: the order of additions differs
ROUNDS, DRAWS = 64, 32
RIGHT_WEIGHT = 0.3
CHECKS = declared.read([{"check": "pattern", "pattern": "[a-h]", "most": 0}])


class Letters:
    """Stands for a tokenizer: token v is the letter number v from A on; 0 pads and 1 ends."""

    pad_token_id, eos_token_id = 0, 1

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return "".join(chr(ord("A") + token) for token in ids if token > 1)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one optimizer step did: its events, the gradients in a line, and the answers that it learned from."""

    events: dict[str, dict[str, Any]]
    gradients: Tensor
    answers: list[on_policy.Judged]


def prompts(count: int) -> list[rollouts.Prompt]:
    items = toys.items(count, seed=3)
    return [
        rollouts.Prompt(number=number, ids=item.ids[: item.prompt_length], text="") for number, item in enumerate(items)
    ]


def speaking(policy: models.Policy) -> models.Policy:
    return models.Policy(model=policy.model, tokenizer=Letters(), device=policy.device, dtype=policy.dtype)


def step(*, micro_batches: int) -> Step:
    """Take one step over four prompts, three answers each. The policy is always the same: the rate is 0."""
    policy = speaking(toys.policy(seed=1))
    given = {name: torch.zeros_like(each) for name, each in policy.trainable().items()}
    for name, each in policy.trainable().items():
        each.register_post_accumulate_grad_hook(functools.partial(_keep, given[name]))  # type: ignore[no-untyped-call]
    learned: dict[int, list[on_policy.Judged]] = {}
    with toys.run(
        method="w_reinforce",
        batch_size=4 // micro_batches,
        gradient_accumulation=micro_batches,
        rollouts=3,
        rollout_max_new_tokens=5,
    ) as asked:
        task = on_policy.Task(job=asked, policy=policy, checks=CHECKS, right_weight=RIGHT_WEIGHT)

        def loss(rows: list[rollouts.Prompt], at: loop.Step[rollouts.Prompt]) -> loop.Loss:
            found = on_policy.loss(task, rows, at)
            learned.update(at.once("answers", lambda: on_policy.drawn(task, at)).by_prompt)
            return found

        loop.train(job=asked, policy=policy, rows=prompts(4), loss=loss)
        events = {each["kind"]: each for each in asked.folder.read_events()}
    gradients = torch.cat([each.reshape(-1) for each in given.values()])
    return Step(
        events=events, gradients=gradients, answers=[each for number in sorted(learned) for each in learned[number]]
    )


def _keep(total: Tensor, parameter: Tensor) -> None:
    """What the micro-batches so far add up to."""
    if parameter.grad is not None:
        total.copy_(parameter.grad)


def by_hand(answers: Sequence[on_policy.Judged]) -> Tensor:
    """The policy gradient, answer by answer: of log pi of wrong ones less lambda times that of right ones, by token."""
    policy = toys.policy(seed=1)
    tokens = sum(each.rollout.item.length for each in answers)
    total = torch.zeros(())
    for each in answers:
        item = each.rollout.item
        scores = policy.model(input_ids=torch.tensor([item.ids[:-1]])).logits[0].log_softmax(1)
        spoken = sum(scores[place - 1, item.ids[place]] for place in range(item.prompt_length, len(item.ids)))
        letters = item.ids[item.prompt_length :]
        is_wrong = any("a" <= chr(ord("A") + token) <= "h" for token in letters) or not any(
            each > 1 for each in letters
        )
        total = total + (1.0 if is_wrong else -RIGHT_WEIGHT) * spoken / tokens
    parameters = list(policy.trainable().values())
    return torch.cat([each.reshape(-1) for each in torch.autograd.grad(total, parameters)])


@claim("on_policy")
def draws_from_the_policy_itself() -> None:
    """First tokens come as often as the policy's own probabilities say: no temperature, no nucleus (chi-square)."""
    policy = speaking(toys.policy(seed=1))
    short, long = sorted(prompts(4), key=lambda each: len(each.ids))[::3]
    seen: dict[int, Counter[int]] = {short.number: Counter(), long.number: Counter()}
    with toys.run(method="nsr", rollout_max_new_tokens=1) as asked:
        for number in range(ROUNDS):  # both in one batch, in which the shorter prompt is padded
            found = rollouts.draw(job=asked, policy=policy, prompts=[long, short], count=DRAWS, seed=f"claim/{number}")
            for each, answers in found.items():
                seen[each].update(answer.item.ids[-1] for answer in answers)
    for prompt in (short, long):
        with torch.no_grad():
            chances = policy.model(input_ids=torch.tensor([prompt.ids])).logits[0, -1].softmax(0).tolist()
        surprise, cells = _chi_square(seen[prompt.number], [ROUNDS * DRAWS * each for each in chances])
        assert surprise < cells + 5 * math.sqrt(2 * cells), f"chi-square {surprise:.1f} over {cells} cells"


def _chi_square(seen: Counter[int], expected: Sequence[float]) -> tuple[float, int]:
    """Over the tokens expected five times or more; the others are one cell."""
    often = [token for token, each in enumerate(expected) if each >= 5]
    pairs = [(seen[token], expected[token]) for token in often]
    rest = sum(expected) - sum(each for _, each in pairs)
    if rest > 0:
        pairs.append((seen.total() - sum(each for each, _ in pairs), rest))
    return sum((found - wanted) ** 2 / wanted for found, wanted in pairs), len(pairs) - 1


@claim("on_policy")
def a_step_is_the_policy_gradient() -> None:
    """A step's gradient is that of log pi of the wrong answers less lambda times the right ones', per drawn token."""
    found = step(micro_batches=1)
    right = [each for each in found.answers if each.is_right]
    assert 0 < len(right) < len(found.answers), "all answers are alike: nothing is weighed"
    lengths = {True: 0, False: 0}
    for each in found.answers:
        lengths[each.is_right] += each.rollout.item.length
    wanted = (lengths[False] - RIGHT_WEIGHT * lengths[True]) / sum(lengths.values())
    assert_close(found.events["step"]["loss"], wanted, within=WITHIN)
    assert_close(found.events["step"]["right"], len(right) / len(found.answers), within=WITHIN)
    toys.assert_same_gradients(found.gradients, by_hand(found.answers), within=WITHIN)


@claim("on_policy")
def a_step_in_four_equals_at_once() -> None:
    """Four micro-batches of one prompt draw the answers of one batch of four, and have its loss and gradients."""
    four, one = step(micro_batches=4), step(micro_batches=1)
    assert [each.rollout.item.ids for each in four.answers] == [each.rollout.item.ids for each in one.answers]
    for name in ("loss", "right", "entropy", "tokens"):
        assert_close(four.events["step"][name], one.events["step"][name], within=WITHIN)
    toys.assert_same_gradients(four.gradients, one.gradients, within=WITHIN)
