"""D2O: rejected answers against anchors that the model says by itself. The loss is in losses/d2o.py.

Both references are the starting model, as in the paper's experiments, and score the answer given the prompt alone:
also where the anchors were sampled under the constraints, or by the policy after it had moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training_bridge.trainer import (
    anchors,
    data,
    errors,
    job,
    logprobs,
    loop,
    models,
    parallel,
    reading,
    reference,
    starting,
    weighing,
)
from training_bridge.trainer.losses import d2o
from training_bridge.trainer.recipes import training


@dataclass(kw_only=True, eq=False)
class Row:
    """A rejected answer and the K anchors of its prompt, which a refresh replaces."""

    rejected: data.Encoded
    anchors: list[data.Encoded]
    weight: float = 1.0
    key: str = ""


def run(job: job.Job) -> None:
    """D2O on rejected rows: the base samples anchors, and everything is scored with it once."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        usable = _usable(job, policy)
        rejected: dict[str, set[str]] = {}
        for row, _ in usable:
            rejected.setdefault(anchors.key_of(row["prompt"]), set()).add(row["rejected"])
        said = _encoded(job, policy, anchors.sample(job=job, policy=policy, rejected=rejected))
        rows = _rows(job, usable, said)
        watched = list({id(each): each for row in rows for each in row.anchors}.values())
        reference.attach(job=job, policy=policy, items=[row.rejected for row in rows] + watched)
        refresh = Refresh(job=job, policy=policy, rows=rows, rejected=rejected)

        def share(batch: list[Row], step: loop.Step[Row]) -> loop.Loss:
            step.once("anchors", lambda: refresh.bring(step.number))
            return loss(job, policy, batch, step)

        return training.Plan(rows=rows, loss=share, watched=watched)

    if job.settings.anchor_refresh and parallel.count() > 1:
        raise errors.Refused(
            f"anchor_refresh samples while the weights are divided between {parallel.count()} processes, which is not "
            "supported. Train in one process, or set it to 0."
        )
    training.run(job=job, prepare=prepare)


def loss(job: job.Job, policy: models.Policy, rows: list[Row], step: loop.Step[Row]) -> loop.Loss:
    """The micro-batch's share of the mean D2O loss, plus that of the retain term on its anchors; one forward pass."""
    settings = job.settings
    items = [row.rejected for row in rows] + [each for row in rows for each in row.anchors]
    ratios, nll = logprobs.ratios(policy, items)
    rejected, said = ratios[: len(rows)], ratios[len(rows) :].view(len(rows), -1)
    losses = d2o.loss(anchors=said, rejected=rejected, alpha=settings.alpha, beta=settings.beta)
    count = len(step.rows)
    kept = nll[len(rows) :].sum() / (count * said.shape[1])
    value = (torch.tensor([row.weight for row in rows], device=policy.device) * losses).sum() / count
    if settings.retain_weight:
        value = value + settings.retain_weight * kept
    parts = {
        "reward_anchors": settings.beta * said.detach().mean(1).sum() / count,
        "reward_rejected": settings.alpha * rejected.detach().sum() / count,
        "nll_anchors": kept.detach(),
    }
    return loop.Loss(value=value, parts=parts, tokens=sum(len(item.ids) for item in items))


class Refresh:
    """The on-line form: after every `anchor_refresh` steps all prompts' anchors are the policy's own of that moment.

    They are kept in anchors.jsonl before the step that first uses them, so a run that is resumed later reads them. A
    row whose new anchors cannot all be used goes back to its first ones.
    """

    def __init__(
        self, *, job: job.Job, policy: models.Policy, rows: Sequence[Row], rejected: Mapping[str, set[str]]
    ) -> None:
        self._job, self._policy, self._rows, self._rejected = job, policy, rows, rejected
        self._first = [row.anchors for row in rows]
        self._after = 0

    def bring(self, number: int) -> None:
        """Give every row the anchors that step `number` (from 0) is to be taken with."""
        every, settings = self._job.settings.anchor_refresh, self._job.settings
        after = number // every * every if every else 0
        if after == self._after:
            return
        self._after = after
        was_training = self._policy.model.training
        sampled = anchors.sample(
            job=self._job, policy=self._policy, rejected=self._rejected, step=after, may_draw=number == after
        )
        said = _encoded(self._job, self._policy, sampled)
        for row, first in zip(self._rows, self._first, strict=True):
            row.anchors = said[row.key] if len(said[row.key]) == settings.anchors else first
        with starting.standing_in(policy=self._policy, base=self._job.spec.base):
            reference.attach(job=self._job, policy=self._policy, items=[each for key in said for each in said[key]])
        self._policy.model.train(was_training)
        self._job.reporter.phase("training", total_steps=settings.max_steps, step=number)


def _usable(job: job.Job, policy: models.Policy) -> list[tuple[dict[str, Any], data.Encoded]]:
    """Rows with their encoded rejected answer, less those that could not be used."""
    read = reading.train_rows(job=job, text="rejected")
    pairs = [
        data.Pair(
            prompt=row["prompt"],
            completion=row["rejected"],
            spans=(row.get("spans") or ()) if job.settings.span_mask else (),
            severity=row.get("severity") or "",
        )
        for row in read
    ]
    encoded = data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs)
    return [(row, item) for row, item in zip(read, encoded, strict=True) if item is not None]


def _encoded(
    job: job.Job, policy: models.Policy, sampled: Mapping[str, list[anchors.Anchor]]
) -> dict[str, list[data.Encoded]]:
    """The anchors by prompt, each under its prompt alone, less those that could not be used."""
    places = [(key, each) for key, said in sampled.items() for each in said]
    pairs = [
        data.Pair(prompt=anchors.prompt_of(key), completion=each["text"], ended=each["ended"]) for key, each in places
    ]
    encoded = data.encode(job=job, tokenizer=policy.tokenizer, pairs=pairs, event="anchor_rows")
    found: dict[str, list[data.Encoded]] = {key: [] for key in sampled}
    for (key, _), item in zip(places, encoded, strict=True):
        if item is not None:
            found[key].append(item)
    return found


def _rows(
    job: job.Job, usable: Sequence[tuple[dict[str, Any], data.Encoded]], said: Mapping[str, list[data.Encoded]]
) -> list[Row]:
    """The anchors of a prompt are shared by its rows; a row that lost an anchor is left out."""
    weights = weighing.of_rows([row for row, _ in usable], how=job.settings.row_weights)
    keys = [anchors.key_of(row["prompt"]) for row, _ in usable]
    rows = [
        Row(rejected=item, anchors=said[key], weight=weight, key=key)
        for (_, item), weight, key in zip(usable, weights, keys, strict=True)
    ]
    whole = [row for row in rows if len(row.anchors) == job.settings.anchors]
    if not whole:
        raise errors.Refused("No row can be trained on: each lost an anchor. Lower anchor_max_new_tokens.")
    return whole
