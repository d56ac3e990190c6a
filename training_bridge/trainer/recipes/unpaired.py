"""What the methods on unpaired rows share: rejected answers get the method's loss, accepted ones hold the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

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
from training_bridge.trainer.recipes import training


@dataclass(frozen=True, kw_only=True)
class Row:
    """An answer that people rejected or accepted, and what its loss is multiplied by.

    `critiques` are what they wrote about a rejected one, `prompt_key` is the prompt as JSON.
    """

    item: data.Encoded
    is_accepted: bool
    weight: float = 1.0
    prompt_key: str = ""
    critiques: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The rejected answers of a micro-batch, each (B, C): log-probs of policy and reference in nats, token weights
    (0 at padding), and 1 for the tokens of the completion. The reference is None where the method asks for none.
    """

    logprobs: Tensor
    references: Tensor | None
    mask: Tensor
    real: Tensor

    def ratios(self) -> Tensor:
        """r_m = sum_t m_t (log pi - log pi_ref), (B,)."""
        if self.references is None:
            raise ValueError("this method was run without a reference")
        return ((self.logprobs - self.references) * self.mask).sum(1)


AnyRow = TypeVar("AnyRow", bound=Row)
Rejection = Callable[[Tokens, spec.Hyperparameters], Tensor]


def run(*, job: job.Job, rejection: Rejection, has_reference: bool) -> None:
    """A run whose rejected rows have this loss; they are scored with the base once where `has_reference`."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        rows, watched = divided(job=job, rows=read(job=job, policy=policy))
        refuse_without_rejected(job=job, rows=rows)
        if has_reference:
            reference.attach(job=job, policy=policy, items=[row.item for row in rows if not row.is_accepted])
        return training.Plan(
            rows=rows,
            loss=lambda batch, step: loss(
                job.settings, policy, batch, step, rejection=rejection, has_reference=has_reference
            ),
            watched=watched,
        )

    training.run(job=job, prepare=prepare)


def loss(
    settings: spec.Hyperparameters,
    policy: models.Policy,
    rows: list[Row],
    step: loop.Step[Row],
    *,
    rejection: Rejection,
    has_reference: bool,
) -> loop.Loss:
    """The micro-batch's share: the mean of the rejected rows' weighted losses, plus the retain term. One forward pass.

    Both are means over the step's rows of their kind, so accepted rows never dilute what rejected ones say.
    """
    items = [row.item for row in rows]
    batch = logprobs.collate(items, device=policy.device)
    found = logprobs.of_tokens(policy, batch)
    bad = torch.tensor([not row.is_accepted for row in rows], device=policy.device)
    kept, parts = likelihoods(found, batch.real, rows, step)
    value = settings.retain_weight * kept
    if bad.any():
        rejected = [row.item for row in rows if not row.is_accepted]
        stored = logprobs.references(rejected, like=found[bad]) if has_reference else None
        tokens = Tokens(logprobs=found[bad], references=stored, mask=batch.mask[bad], real=batch.real[bad])
        weights = torch.tensor([row.weight for row in rows if not row.is_accepted], device=policy.device)
        value = value + (weights * rejection(tokens, settings)).sum() / count(step, is_accepted=False)
    return loop.Loss(value=value, parts=parts, tokens=sum(len(item.ids) for item in items))


def likelihoods(
    found: Tensor, real: Tensor, rows: Sequence[AnyRow], step: loop.Step[AnyRow]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of log-probs (B, C) the share of the accepted rows' mean weighted NLL per token, and the parts that say how
    likely the step's rejected and accepted answers are.
    """
    nll = -found.sum(1) / real.sum(1)
    is_accepted = torch.tensor([row.is_accepted for row in rows], device=found.device)
    kept, parts = found.sum() * 0, {}
    if not is_accepted.all():
        parts["nll_rejected"] = nll[~is_accepted].detach().sum() / count(step, is_accepted=False)
    if is_accepted.any():
        weights = torch.tensor([row.weight for row in rows if row.is_accepted], device=found.device)
        kept = (weights * nll[is_accepted]).sum() / count(step, is_accepted=True)
        parts["nll_accepted"] = kept.detach()
    return kept, parts


def count(step: loop.Step[AnyRow], *, is_accepted: bool) -> int:
    """How many rows of the step are of this kind."""
    return sum(row.is_accepted is is_accepted for row in step.rows)


def refuse_without_rejected(*, job: job.Job, rows: Sequence[Row]) -> None:
    """Raises Refused where there is nothing to penalise."""
    if all(row.is_accepted for row in rows):
        raise errors.Refused(f"{job.spec.method} penalises rejected answers, and no row of this dataset is rejected.")


def refuse_means(*, job: job.Job) -> None:
    """For a loss that is a mean over the answer's tokens as it stands. Raises Refused where one is asked for."""
    if job.settings.length_normalised:
        raise errors.Refused(
            f"{job.spec.method} divides every answer's loss by its length as it is, and length_normalised would divide "
            "it again. Set length_normalised to false."
        )


def divided(*, job: job.Job, rows: Sequence[AnyRow]) -> tuple[list[AnyRow], list[data.Encoded]]:
    """The rows to train on, and the accepted answers to watch: some that are held out, where that is asked for."""
    rows, watched = held_out.divide(
        job=job, rows=rows, prompt=lambda row: row.prompt_key, is_good=lambda row: row.is_accepted
    )
    return rows, [row.item for row in watched]


def read(*, job: job.Job, policy: models.Policy, has_marks: bool = True) -> list[Row]:
    """The rows of a KTO dataset that can be used, in order; without `has_marks` as if nobody had marked any part.

    Raises Refused.
    """
    found = reading.train_rows(job=job, text="completion")
    for number, row in enumerate(found, start=1):
        if not isinstance(row.get("label"), bool):
            raise errors.Refused(f"data/train.jsonl, line {number}: label must be true or false.")
    pairs = [
        data.Pair(
            prompt=row["prompt"],
            completion=row["completion"],
            spans=() if row["label"] or not (has_marks and job.settings.span_mask) else row.get("spans") or (),
            severity="" if row["label"] or not has_marks else row.get("severity") or "",
        )
        for row in found
    ]
    encoded = data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs)
    kept = [row["label"] for row, item in zip(found, encoded, strict=True) if item is not None]
    reading.refuse_without_accepted(job=job, accepted=sum(kept))
    weights = weighing.of_rows(found, how=job.settings.row_weights)
    return [
        Row(
            item=item,
            is_accepted=row["label"],
            weight=weight,
            prompt_key=anchors.key_of(row["prompt"]),
            critiques=tuple(row.get("critiques") or ()),
        )
        for row, item, weight in zip(found, encoded, weights, strict=True)
        if item is not None
    ]
