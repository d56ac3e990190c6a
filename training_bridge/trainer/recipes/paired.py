"""What the methods on pairs share: a rejected answer and the same one corrected, read, scored and trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training_bridge.formats import rows as formats
from training_bridge.formats import spec
from training_bridge.trainer import (
    anchors,
    data,
    errors,
    held_out,
    job,
    logprobs,
    loop,
    models,
    reading,
    reference,
    weighing,
)
from training_bridge.trainer.recipes import training, unpaired


@dataclass(frozen=True, kw_only=True)
class Row:
    """Two answers to one prompt, and what their loss is multiplied by."""

    chosen: data.Encoded
    rejected: data.Encoded
    weight: float = 1.0
    prompt_key: str = ""


Preference = Callable[[unpaired.Tokens, unpaired.Tokens, spec.Hyperparameters], Tensor]
"""The chosen answers' tokens and the rejected ones', B each -> losses (B,)."""


def run(*, job: job.Job, preference: Preference, has_reference: bool) -> None:
    """A run whose pairs have this loss; all their answers are scored with the base once where `has_reference`."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        rows, watched = held_out.divide(job=job, rows=read(job=job, policy=policy), prompt=lambda row: row.prompt_key)
        if has_reference:
            reference.attach(job=job, policy=policy, items=answers(rows))
        return training.Plan(
            rows=rows,
            loss=lambda batch, step: loss(
                job.settings, policy, batch, step, preference=preference, has_reference=has_reference
            ),
            watched=[row.chosen for row in watched],
            lengths=[len(row.chosen.ids) + len(row.rejected.ids) for row in rows],
        )

    training.run(job=job, prepare=prepare)


def loss(
    settings: spec.Hyperparameters,
    policy: models.Policy,
    rows: Sequence[Row],
    step: loop.Step[Row],
    *,
    preference: Preference,
    has_reference: bool,
) -> loop.Loss:
    """The micro-batch's share of the rows' weighted losses, plus the retain term on the chosen answers. One pass."""
    items, count = answers(rows), len(step.rows)
    batch = logprobs.collate(items, device=policy.device)
    found = logprobs.of_tokens(policy, batch)
    stored = logprobs.references(items, like=found) if has_reference else None
    chosen, rejected = (
        unpaired.Tokens(
            logprobs=found[side],
            references=None if stored is None else stored[side],
            mask=batch.mask[side],
            real=batch.real[side],
        )
        for side in (slice(len(rows)), slice(len(rows), None))
    )
    weights = torch.tensor([row.weight for row in rows], device=policy.device)
    nll = -found.sum(1) / batch.real.sum(1)
    kept = (weights * nll[: len(rows)]).sum() / count
    value = (weights * preference(chosen, rejected, settings)).sum() / count
    if settings.retain_weight:
        value = value + settings.retain_weight * kept
    parts = {"nll_accepted": kept.detach(), "nll_rejected": nll[len(rows) :].detach().sum() / count}
    if has_reference:
        parts["reward_accepted"] = settings.beta * chosen.ratios().detach().sum() / count
        parts["reward_rejected"] = settings.beta * rejected.ratios().detach().sum() / count
    return loop.Loss(value=value, parts=parts, tokens=sum(len(item.ids) for item in items))


def answers(rows: Sequence[Row]) -> list[data.Encoded]:
    """The chosen answers, then the rejected ones."""
    return [row.chosen for row in rows] + [row.rejected for row in rows]


def read(*, job: job.Job, policy: models.Policy) -> list[Row]:
    """The rows of a dataset of pairs that can be used, in order: those of which neither answer was dropped.

    Span mask and severity weigh the rejected answer's tokens. The chosen one counts as a whole, or with `chosen_mask`
    in the places that were corrected. Raises Refused.
    """
    found = checked(job=job)
    rejected = _encoded(job, policy, found, "rejected", event="rows")
    chosen = _encoded(job, policy, found, "chosen", event="chosen_rows")
    weights = weighing.of_rows(found, how=job.settings.row_weights)
    rows = [
        _row(good, bad, weight=weight, prompt_key=anchors.key_of(row["prompt"]))
        for row, good, bad, weight in zip(found, chosen, rejected, weights, strict=True)
        if good is not None and bad is not None
    ]
    job.reporter.event("pairs", read=len(found), kept=len(rows))
    if not rows:
        raise errors.Refused("No row can be trained on: of every pair one answer had to be left out.")
    return rows


def chosen_alone(*, job: job.Job, policy: models.Policy) -> list[unpaired.Row]:
    """The chosen answers of a dataset of pairs that can be used, in order, as accepted ones. Raises Refused."""
    found = checked(job=job)
    encoded = _encoded(job, policy, found, "chosen", event="rows")
    weights = weighing.of_rows(found, how=job.settings.row_weights)
    return [
        unpaired.Row(item=item, is_accepted=True, weight=weight, prompt_key=anchors.key_of(row["prompt"]))
        for row, item, weight in zip(found, encoded, weights, strict=True)
        if item is not None
    ]


def is_first_row_a_pair(*, job: job.Job) -> bool:
    """Say whether the first training row has a chosen answer; False where there is none that can be read."""
    try:
        return "chosen" in next(formats.read_jsonl(job.folder.train_rows), {})
    except (OSError, ValueError):
        return False


def checked(*, job: job.Job) -> list[dict[str, Any]]:
    """All rows of a dataset of pairs. Raises Refused naming the line of one that is none."""
    if job.folder.train_rows.exists() and not is_first_row_a_pair(job=job):
        raise errors.Refused(
            f"{job.spec.method} trains on pairs, each with a chosen and a rejected answer, and the first row of "
            "data/train.jsonl has no chosen one. Use a dataset in the format pairs."
        )
    found = reading.train_rows(job=job, text="rejected")
    for number, row in enumerate(found, start=1):
        if problem := reading.problem_of({**row, "spans": row.get("corrected")}, text="chosen"):
            raise errors.Refused(f"data/train.jsonl, line {number}: {problem}.")
        if row["chosen"] == row["rejected"]:
            raise errors.Refused(
                f"data/train.jsonl, line {number}: chosen and rejected are the same, so there is nothing to prefer."
            )
    return found


def _encoded(
    job: job.Job, policy: models.Policy, rows: Sequence[dict[str, Any]], side: str, *, event: str
) -> list[data.Encoded | None]:
    is_bad = side == "rejected"
    is_masked = job.settings.span_mask if is_bad else job.settings.chosen_mask
    pairs = [
        data.Pair(
            prompt=row["prompt"],
            completion=row[side],
            spans=(row.get("spans" if is_bad else "corrected") or ()) if is_masked else (),
            severity=(row.get("severity") or "") if is_bad else "",
        )
        for row in rows
    ]
    return data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs, event=event)


def _row(chosen: data.Encoded, rejected: data.Encoded, **more: Any) -> Row:
    """A row whose answers follow the same prompt: beside the longer one less of it may have fitted."""
    shorter = min(chosen, rejected, key=lambda item: item.prompt_length)
    prompt = shorter.ids[: shorter.prompt_length]
    for item in (chosen, rejected):
        item.ids, item.prompt_length = prompt + item.ids[item.prompt_length :], len(prompt)
    return Row(chosen=chosen, rejected=rejected, **more)
