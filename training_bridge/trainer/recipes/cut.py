"""CUT: what annotators wrote about a rejected answer finds its wrong tokens. The loss is in losses/cut.py.

A critique is put before the prompt, in the words of the authors' template (their repository, templates/alpaca.json):
there the judgment stands between the instruction and "### Response:"; here it stands before the instruction, so that
the prompt ends as it does without it, whatever its own format, and the answer is the same tokens behind both. In chat
messages both stand in the last message of the user. Several critiques of an answer are put one a line.

Spans, and the weights of severities, say nothing here: the critique is what finds the tokens. Where people marked
spans, `unlikelihood` is the same loss with their marks.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training_bridge.formats import rows, spec
from training_bridge.trainer import data, errors, fitting, job, logprobs, loop, models
from training_bridge.trainer.losses import cut, sft
from training_bridge.trainer.recipes import training, unpaired

BEFORE = (
    "Write a response to the instruction, and the response should match the corresponding judgment.\n\n### Judgment:\n"
)
BETWEEN = "\n\n### Instruction:\n"


@dataclass(frozen=True, kw_only=True)
class Row(unpaired.Row):
    """`told` is a rejected answer behind its critiques and its prompt; None for an accepted one."""

    told: data.Encoded | None = None


def run(job: job.Job) -> None:
    """CUT on rejected rows that have a critique, and on accepted ones."""

    def prepare(policy: models.Policy) -> training.Plan[Row]:
        rows, watched = unpaired.divided(job=job, rows=read(job=job, policy=policy))
        return training.Plan(
            rows=rows, loss=lambda batch, step: loss(job.settings, policy, batch, step), watched=watched
        )

    unpaired.refuse_means(job=job)
    training.run(job=job, prepare=prepare)


def loss(settings: spec.Hyperparameters, policy: models.Policy, rows: list[Row], step: loop.Step[Row]) -> loop.Loss:
    """The micro-batch's share of the mean of the rows' weighted losses, plus that of the retain term. One forward pass.

    The paper's L1 + L2: of a rejected row CUT's loss and its NLL under the critique, of an accepted one the NLL.
    `wrong_share` is the share of a rejected answer's tokens that its critique makes out to be wrong.
    """
    told = [row.told for row in rows if row.told is not None]
    items = [row.item for row in rows] + told
    batch = logprobs.collate(items, device=policy.device)
    found = logprobs.of_tokens(policy, batch)
    nll = sft.loss(logprobs=found, real=batch.real)
    said, real, losses = found[: len(rows)], batch.real[: len(rows)], nll[: len(rows)]
    kept, parts = unpaired.likelihoods(said, real, rows, step)
    if told:
        bad = torch.tensor([row.told is not None for row in rows], device=policy.device)
        under, threshold = found[len(rows) :], settings.cut_threshold
        contrasted = cut.loss(
            logprobs=said[bad],
            with_critique=under,
            real=real[bad],
            threshold=threshold,
            alpha=settings.cut_alpha,
            gamma=settings.cut_gamma,
        )
        losses = losses.masked_scatter(bad, contrasted + nll[len(rows) :])
        wrong = cut.wrong_tokens(logprobs=said[bad], with_critique=under, threshold=threshold) * real[bad]
        count = unpaired.count(step, is_accepted=False)
        parts["wrong_share"] = (wrong.sum(1) / real[bad].sum(1)).sum() / count
        parts["nll_critiqued"] = nll[len(rows) :].detach().sum() / count
    value = (torch.tensor([row.weight for row in rows], device=policy.device) * losses).sum() / len(step.rows)
    return loop.Loss(
        value=value + settings.retain_weight * kept, parts=parts, tokens=sum(len(item.ids) for item in items)
    )


def read(*, job: job.Job, policy: models.Policy) -> list[Row]:
    """Accepted rows, and rejected ones with their critique. The event `critiques` counts those left out.

    Raises Refused where none is left, and for rows that are too long with their critique, as `long_rows` says.
    """
    found: list[Row] = []
    counts: Counter[str] = Counter(used=0, without=0, too_long=0)
    limit = fitting.of(job=job)
    for row in unpaired.read(job=job, policy=policy, has_marks=False):
        told = None
        if not row.is_accepted:
            told = _told(policy, row)
            what = "without" if told is None else "used" if _fits(told, limit, job.settings) else "too_long"
            counts[what] += 1
            if what != "used":
                continue
        found.append(Row(**{each.name: getattr(row, each.name) for each in dataclasses.fields(row)}, told=told))
    job.reporter.event("critiques", **counts)
    if counts["too_long"] and limit.policy == "refuse":
        raise errors.Refused(
            f"{counts['too_long']} of {counts.total()} rejected rows are too long for the base, max_length or "
            "max_prompt_length once their critique is in the prompt. Set long_rows to drop to leave them out of CUT."
        )
    if not counts["used"]:
        raise errors.Refused(
            f"CUT learns from critiques of rejected answers. Of {counts.total()} rejected rows {counts['without']} "
            f"have none, and {counts['too_long']} are too long with theirs. Build a KTO dataset of judgments with "
            "critiques, or use unlikelihood, which takes spans."
        )
    return found


def criticised(prompt: rows.PromptValue, critiques: Sequence[str]) -> rows.PromptValue:
    r"""The prompt behind its critiques. Raises Refused for a message whose content is no text.

    >>> criticised("Who?", ["no name", "{x}"])[len(BEFORE) :]
    'no name\n{x}\n\n### Instruction:\nWho?'
    >>> chat = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "We"}]
    >>> [each["role"] for each in criticised(chat, ["no name"])], criticised(chat, ["no name"])[0]["content"][-4:]
    (['user', 'assistant'], 'Who?')
    """
    if isinstance(prompt, str):
        return BEFORE + "\n".join(critiques) + BETWEEN + prompt
    place = max((place for place, each in enumerate(prompt) if each["role"] == "user"), default=len(prompt) - 1)
    content = prompt[place]["content"]
    if not isinstance(content, str):
        raise errors.Refused(f"CUT puts critiques before a message's text, and here the message is {content!r:.100}.")
    return [*prompt[:place], {**prompt[place], "content": criticised(content, critiques)}, *prompt[place + 1 :]]


def _told(policy: models.Policy, row: unpaired.Row) -> data.Encoded | None:
    """The row's own completion tokens behind the criticised prompt; None without a critique."""
    critiques = [each.strip() for each in row.critiques if each.strip()]
    if not critiques:
        return None
    head = data.prompt_ids(policy.tokenizer, criticised(json.loads(row.prompt_key), critiques))
    return data.Encoded(ids=head + row.item.ids[row.item.prompt_length :], prompt_length=len(head))


def _fits(told: data.Encoded, limit: fitting.Limit, settings: spec.Hyperparameters) -> bool:
    """A prompt that had to lose its beginning would lose its critique."""
    longest = settings.max_prompt_length or told.prompt_length
    return told.prompt_length <= longest and len(told.ids) <= (limit.tokens or len(told.ids))
