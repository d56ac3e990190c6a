"""KTO: rejected and accepted answers, unpaired. The loss is in losses/kto.py."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training_bridge.trainer import (
    data,
    errors,
    fitting,
    job,
    logprobs,
    loop,
    models,
    parallel,
    reference,
)
from training_bridge.trainer.losses import kto
from training_bridge.trainer.recipes import training, unpaired


@dataclass(frozen=True, kw_only=True)
class Row:
    """`mismatched` is this row's prompt with another prompt's completion: it measures z. None on rejected-only data."""

    item: data.Encoded
    is_desirable: bool
    mismatched: data.Encoded | None
    weight: float = 1.0


def run(job: job.Job) -> None:
    """KTO on rejected and accepted rows, every one scored with the base once."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        read, watched = unpaired.divided(job=job, rows=unpaired.read(job=job, policy=policy))
        rows = _rows(job, read)
        mismatched = [row.mismatched for row in rows if row.mismatched is not None]
        reference.attach(job=job, policy=policy, items=[row.item for row in rows] + mismatched)
        return training.Plan(rows=rows, loss=lambda batch, step: loss(job, policy, batch, step), watched=watched)

    training.run(job=job, prepare=prepare)


def loss(job: job.Job, policy: models.Policy, rows: list[Row], step: loop.Step[Row]) -> loop.Loss:
    """The micro-batch's share of the mean KTO loss, plus that of the retain term on accepted rows."""
    settings = job.settings
    baseline = step.once("baseline", lambda: _baseline(job, policy, step))
    ratios, nll = logprobs.ratios(policy, [row.item for row in rows])
    is_desirable = torch.tensor([row.is_desirable for row in rows], device=policy.device)
    losses = kto.loss(
        ratios=ratios,
        is_desirable=is_desirable,
        baseline=baseline,
        beta=settings.beta,
        desirable_weight=settings.desirable_weight,
        undesirable_weight=settings.undesirable_weight,
    )
    desirable_count = sum(row.is_desirable for row in step.rows)
    value = (torch.tensor([row.weight for row in rows], device=policy.device) * losses).sum() / len(step.rows)
    parts = {"kl": baseline * len(rows) / len(step.rows)}
    rewards = settings.beta * ratios.detach()
    if is_desirable.any():
        kept = nll[is_desirable].sum() / desirable_count
        parts["reward_accepted"] = rewards[is_desirable].sum() / desirable_count
        parts["nll_accepted"] = kept.detach()
        if settings.retain_weight:
            value = value + settings.retain_weight * kept
    if not is_desirable.all():
        parts["reward_rejected"] = rewards[~is_desirable].sum() / (len(step.rows) - desirable_count)
    return loop.Loss(value=value, parts=parts, tokens=sum(len(row.item.ids) for row in rows))


def _baseline(job: job.Job, policy: models.Policy, step: loop.Step[Row]) -> Tensor:
    """z of the whole step: its rows' mismatched pairs, as many in a forward pass as a micro-batch has rows."""
    pairs = [row.mismatched for row in step.own if row.mismatched is not None]
    if not pairs:
        return torch.zeros((), device=policy.device)
    size = job.settings.batch_size
    with torch.no_grad():
        found = [logprobs.ratios(policy, pairs[at : at + size])[0] for at in range(0, len(pairs), size)]
    return kto.baseline(mismatched=parallel.gather(torch.cat(found)))


def _rows(job: job.Job, read: Sequence[unpaired.Row]) -> list[Row]:
    mismatched = _mismatched(job, read)
    if job.settings.batch_size * job.settings.gradient_accumulation < 2 and any(
        each is not None for each in mismatched
    ):
        raise errors.Refused(
            "KTO measures how far the model has moved on the other rows of a step, and a step has one row: batch_size "
            "and gradient_accumulation are 1. Set batch_size to 2 or more, or train on rejected rows alone."
        )
    desirable = sum(row.is_accepted for row in read)
    job.reporter.event(
        "labels",
        accepted=desirable,
        rejected=len(read) - desirable,
        has_kl=mismatched[0] is not None,
        weight_ratio=weight_ratio(job, accepted=desirable, rejected=len(read) - desirable),
    )
    return [
        Row(item=row.item, is_desirable=row.is_accepted, mismatched=other, weight=row.weight)
        for row, other in zip(read, mismatched, strict=True)
    ]


def weight_ratio(job: job.Job, *, accepted: int, rejected: int) -> float | None:
    """w_D n_D / (w_U n_U); the paper advises 1 to 4/3. None where one side is empty."""
    settings = job.settings
    below = settings.undesirable_weight * rejected
    return round(settings.desirable_weight * accepted / below, 4) if below and accepted else None


def _mismatched(job: job.Job, rows: Sequence[unpaired.Row]) -> list[data.Encoded | None]:
    """For each row its prompt with the completion of a row that has another prompt; None where z is 0 anyway.

    z is 0 on rejected-only data (no second forward pass is paid), and cannot be measured with a single prompt.
    """
    if not any(row.is_accepted for row in rows):
        return [None] * len(rows)
    longest = fitting.of(job=job).tokens
    others = partners([row.prompt_key for row in rows], seed=job.settings.seed)
    found: list[data.Encoded | None] = []
    for row, other in zip(rows, others, strict=True):
        if other is None:
            found.append(None)
            continue
        theirs = rows[other].item
        ids = row.item.ids[: row.item.prompt_length] + theirs.ids[theirs.prompt_length :]
        pair = data.Encoded(ids=ids[:longest], prompt_length=row.item.prompt_length)
        if job.settings.length_normalised:
            pair.mask = [1 / pair.length] * pair.length  # z is compared with means, so it is one
        found.append(pair)
    return found


def partners(prompts: Sequence[str], *, seed: int) -> list[int | None]:
    """For each row the number of a row with another prompt; every row serves once where that is possible.

    Rows stand grouped by prompt in a seeded order, and each takes the row `largest group` places on: never one of its
    own group, unless a single prompt has more than half of all rows; then those take others at random.
    """
    chance = random.Random(f"partners/{seed}")
    groups: dict[str, list[int]] = {}
    for number in chance.sample(range(len(prompts)), len(prompts)):
        groups.setdefault(prompts[number], []).append(number)
    if len(groups) < 2:
        return [None] * len(prompts)
    line = [number for group in groups.values() for number in group]
    shift = max(len(group) for group in groups.values())
    found: list[int | None] = [None] * len(prompts)
    for place, number in enumerate(line):
        other = line[(place + shift) % len(line)]
        while prompts[other] == prompts[number]:
            other = chance.choice(line)
        found[number] = other
    return found
