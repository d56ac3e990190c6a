"""Answers that the policy gives as it stands: what the on-policy methods learn from, drawn anew in every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from training_bridge.formats import rows
from training_bridge.formats.checks import declared
from training_bridge.trainer import data, errors, fitting, generation, job, models, reading

STORED = ("completion", "rejected", "chosen", "label")


@dataclass(kw_only=True)
class Prompt:
    """A training prompt: its place among the run's prompts, its token ids, and its text as checks see it.

    `answers` are the sequences of the step at hand: a step's rows hold what went through, as in every other method.
    """

    number: int
    ids: list[int]
    text: str
    answers: list[data.Encoded] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One answer to a prompt. `item` has exactly the tokens that were drawn, with the end-of-text where it `ended`."""

    prompt: Prompt
    item: data.Encoded
    text: str
    ended: bool


def prompts(*, job: job.Job, policy: models.Policy) -> list[Prompt]:
    """The prompts of data/train.jsonl that leave room for an answer, in order; the event `rows` counts them.

    Raises Refused for stored answers, for prompts that are too long unless the run says what becomes of them, and when
    none is left.
    """
    limit, longest = fitting.of(job=job), job.settings.rollout_max_new_tokens
    found: list[Prompt] = []
    long, longest_seen = 0, 0
    read = _read(job)
    for row in read:
        ids = data.prompt_ids(policy.tokenizer, row["prompt"], at_most=job.settings.max_prompt_length)
        fitted = fitting.fitted(policy.tokenizer, ids, completion=longest, limit=limit) if ids else None
        if ids and (fitted is None or len(fitted) < len(ids)):
            long, longest_seen = long + 1, max(longest_seen, len(ids) + longest)
        if fitted is not None:
            found.append(Prompt(number=len(found), ids=fitted, text=declared.text_of(row["prompt"])))
        job.reporter.check()
    job.reporter.event("rows", read=len(read), kept=len(found), long=long, longest=longest_seen)
    if long and limit.policy == "refuse":
        what = f"prompts with an answer of {longest} tokens (rollout_max_new_tokens)"
        raise fitting.refusal(limit=limit, what=what, long=long, read=len(read), longest=longest_seen)
    if not found:
        raise errors.Refused(f"None of the {len(read)} prompts leaves room for an answer of {longest} tokens.")
    return found


def draw(
    *, job: job.Job, policy: models.Policy, prompts: Sequence[Prompt], count: int, seed: str
) -> dict[int, list[Rollout]]:
    """`count` answers to each prompt, by its number, from the policy as it stands. Raises Cancelled.

    Temperature and top-p are 1, and cannot be chosen: the loss takes an answer for a draw from the policy itself. The
    same prompts, weights and seed give the same answers on a CPU.
    """
    settings = generation.Settings(temperature=1.0, top_p=1.0, max_new_tokens=job.settings.rollout_max_new_tokens)
    distinct = {each.number: each for each in prompts}
    order = sorted(distinct.values(), key=lambda each: (len(each.ids), each.number))
    asked = [each for each in order for _ in range(count)]
    size = generation.at_once(policy, tokens=len(order[-1].ids) + settings.max_new_tokens)
    was_training = policy.model.training
    found: dict[int, list[Rollout]] = {}
    for at in range(0, len(asked), size):
        batch = asked[at : at + size]
        drawn = generation.complete(
            policy=policy,
            prompts=[each.ids for each in batch],
            settings=settings,
            seed=f"{seed}/{at}",
            check=job.reporter.check,
        )
        for prompt, answer in zip(batch, drawn, strict=True):
            item = data.Encoded(ids=prompt.ids + answer.ids, prompt_length=len(prompt.ids))
            rollout = Rollout(prompt=prompt, item=item, text=answer.text, ended=answer.ended)
            found.setdefault(prompt.number, []).append(rollout)
    policy.model.train(was_training)
    return found


def _read(job: job.Job) -> list[dict[str, rows.PromptValue]]:
    if not job.folder.train_rows.exists():
        raise errors.Refused("The run folder has no data/train.jsonl with prompts to answer.")
    found = []
    try:
        for number, row in enumerate(rows.read_jsonl(job.folder.train_rows), start=1):
            if stored := next((name for name in STORED if name in row), ""):
                raise errors.Refused(_refusal(job.spec.method, stored=stored, line=number))
            if not reading.is_prompt(row.get("prompt")):
                raise errors.Refused(
                    f"data/train.jsonl, line {number}: prompt must be a text or a list of chat messages with role and "
                    "content, and not empty."
                )
            found.append({"prompt": row["prompt"]})
    except ValueError as error:
        raise errors.Refused(f"data/{error}.") from error
    if not found:
        raise errors.Refused("data/train.jsonl has no prompts.")
    return found


def _refusal(method: str, *, stored: str, line: int) -> str:
    return (
        f"{method} learns from answers that the model gives while it is trained, and data/train.jsonl, line {line}, "
        f"has a stored one ({stored}). A stored answer is off-policy: this model did not just draw it, so its "
        "probability ratio is not 1, and training on stored rejections under this loss collapses. Give prompts alone, "
        "or train on stored rejections with kto, npo or d2o."
    )
