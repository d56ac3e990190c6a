"""Gradient ascent with the guards of arXiv:2310.10683. The loss is in losses/gradient_ascent.py.

The paper adds 0.5 of the loss on rejected rows, 1 times the NLL of five random answers that do not belong to their
prompts, and 1 times KL(starting model || policy) on normal rows. Here the loss itself counts 1, so the defaults of
`mismatch_weight` and `divergence_weight` are 2 each. Its answers and normal rows come from other datasets; here they
are the accepted rows: an answer is drawn from those to other prompts, anew in every step, by the seed.

With both weights 0 it is plain gradient ascent: what the bounded methods are measured against. It collapses.
"""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import (
    data,
    divergence,
    errors,
    fitting,
    job,
    logprobs,
    loop,
    models,
)
from training_bridge.trainer.losses import gradient_ascent, sft
from training_bridge.trainer.recipes import training, unpaired


@dataclass(frozen=True, kw_only=True)
class Row(unpaired.Row):
    """`number` is its place among the rows, `states` what `divergence` keeps of an accepted one."""

    number: int = 0
    states: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Guards:
    """`unrelated` draws answers to other prompts, `starting` is what the policy's distributions are held to."""

    unrelated: Unrelated | None = None
    starting: divergence.Starting | None = None


def run(job: job.Job) -> None:
    """Gradient ascent on rejected rows, and what guards it."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        read, watched = unpaired.divided(job=job, rows=unpaired.read(job=job, policy=policy))
        unpaired.refuse_without_rejected(job=job, rows=read)
        rows, guards = guarded(job=job, policy=policy, rows=numbered(read))
        return training.Plan(
            rows=rows,
            loss=lambda batch, step: loss(job.settings, policy, batch, step, guards=guards),
            watched=watched,
        )

    training.run(job=job, prepare=prepare)


def numbered(rows: Sequence[unpaired.Row]) -> list[Row]:
    return [
        Row(**{each.name: getattr(row, each.name) for each in dataclasses.fields(row)}, number=number)
        for number, row in enumerate(rows)
    ]


def guarded(*, job: job.Job, policy: models.Policy, rows: Sequence[Row]) -> tuple[list[Row], Guards]:
    """The rows with what the guards asked for need, and the guards. The policy is still the starting model.

    Raises Refused where there is nothing to guard with.
    """
    settings = job.settings
    accepted = [row for row in rows if row.is_accepted]
    if not accepted and (settings.mismatch_weight or settings.divergence_weight):
        raise errors.Refused(
            "The guards of gradient_ascent are accepted answers, and no row of this dataset is accepted. Set "
            "mismatch_weight and divergence_weight to 0 for gradient ascent without guards, which collapses."
        )
    unrelated = starting = None
    found = {row.number: row for row in rows}
    if settings.mismatch_weight:
        unrelated = Unrelated(accepted, settings=settings, longest=fitting.of(job=job).tokens)
        unrelated.check(rows)
        job.reporter.event("mismatches", per_row=settings.mismatches, answers=len(accepted), seed=settings.seed)
    if settings.divergence_weight:
        starting = divergence.of(job=job, policy=policy, items=[row.item for row in accepted])
        for row, states in zip(accepted, starting.states, strict=True):
            found[row.number] = dataclasses.replace(row, states=states)
    return list(found.values()), Guards(unrelated=unrelated, starting=starting)


def loss(
    settings: spec.Hyperparameters, policy: models.Policy, rows: list[Row], step: loop.Step[Row], *, guards: Guards
) -> loop.Loss:
    """The micro-batch's share: means over the step's rejected rows of their loss and of the unrelated answers' NLL, and
    over its accepted rows of the divergence and the retain term. One forward pass.
    """
    rows = sorted(rows, key=lambda row: not row.is_accepted)
    rejected = [row for row in rows if not row.is_accepted]
    drawn = [] if guards.unrelated is None else [guards.unrelated.draw(row, step=step.number) for row in rejected]
    items = [row.item for row in rows] + [each for answers in drawn for each in answers]
    batch = logprobs.collate(items, device=policy.device)
    if guards.starting is None:
        found, apart = logprobs.of_tokens(policy, batch), None
    else:
        hidden = logprobs.hidden(policy, items)
        found, _ = logprobs.of_hidden(policy, batch, hidden, has_entropy=False)
        apart = _divergences(policy, hidden, rows, guards.starting)
    count = len(rows)
    kept, parts = unpaired.likelihoods(found[:count], batch.real[:count], rows, step)
    value = settings.retain_weight * kept
    if rejected:
        first = count - len(rejected)
        losses = gradient_ascent.loss(logprobs=found[first:count], mask=batch.mask[first:count])
        value = value + _mean(losses, rejected, step)
    if drawn:
        nll = sft.loss(logprobs=found[count:], real=batch.real[count:])
        means = torch.stack([each.mean() for each in torch.split(nll, [len(answers) for answers in drawn])])
        parts["nll_unrelated"] = _mean(means, rejected, step)
        value = value + settings.mismatch_weight * parts["nll_unrelated"]
    if apart is not None and len(rejected) < count:
        parts["divergence"] = _mean(apart, rows[: count - len(rejected)], step)
        value = value + settings.divergence_weight * parts["divergence"]
    parts = {name: each.detach() for name, each in parts.items()}
    return loop.Loss(value=value, parts=parts, tokens=sum(len(item.ids) for item in items))


class Unrelated:
    """Accepted answers, of which each rejected row is given `mismatches` to other prompts in every step.

    What is drawn depends on the seed, the step and the row alone: on no micro-batch, and on no interruption.
    """

    def __init__(self, accepted: Sequence[Row], *, settings: spec.Hyperparameters, longest: int | None) -> None:
        self._accepted = accepted
        self._settings = settings
        self._longest = longest
        self._per_prompt = Counter(row.prompt_key for row in accepted)

    def check(self, rows: Sequence[Row]) -> None:
        """Raises Refused where a rejected row has no answer to another prompt."""
        if any(self._per_prompt[row.prompt_key] == len(self._accepted) for row in rows if not row.is_accepted):
            raise errors.Refused(
                "mismatch_weight draws accepted answers to other prompts, and here all accepted rows answer one "
                "prompt, which has rejected rows, too. Set it to 0 or add accepted rows of other prompts."
            )

    def draw(self, row: Row, *, step: int) -> list[data.Encoded]:
        """The row's prompt with answers to other prompts: as many as asked for, or as there are."""
        chance = random.Random(f"mismatches/{self._settings.seed}/{step}/{row.number}")
        wanted = self._settings.mismatches
        enough = min(len(self._accepted), wanted + self._per_prompt[row.prompt_key])
        taken = [self._accepted[place] for place in chance.sample(range(len(self._accepted)), enough)]
        others = [each.item for each in taken if each.prompt_key != row.prompt_key][:wanted]
        head = row.item.ids[: row.item.prompt_length]
        return [
            data.Encoded(ids=(head + each.ids[each.prompt_length :])[: self._longest], prompt_length=len(head))
            for each in others
        ]


def _divergences(policy: models.Policy, hidden: Tensor, rows: Sequence[Row], starting: divergence.Starting) -> Tensor:
    """KL(starting model || policy) per token of each accepted row, which come first: (rows,)."""
    states = [row.states for row in rows if row.states is not None]
    if not states:
        return hidden.new_zeros(0)
    lengths = [len(each) for each in states]
    found = divergence.of_positions(policy=policy, hidden=hidden[: sum(lengths)], starting=starting, states=states)
    return torch.stack([each.mean() for each in torch.split(found, lengths)])


def _mean(values: Tensor, rows: Sequence[Row], step: loop.Step[Row]) -> Tensor:
    """These rows' share of the weighted mean over the step's rows of their kind."""
    weights = torch.tensor([row.weight for row in rows], device=values.device)
    return (weights * values).sum() / unpaired.count(step, is_accepted=rows[0].is_accepted)
