"""The starting model's word on every row: computed once, before the first step, and kept.

Both full and LoRA training start as the reference itself (a new adapter adds nothing yet), so no second model is ever
in memory and no step pays for a second forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training_bridge.trainer import data, job, logprobs, models


def attach(*, job: job.Job, policy: models.Policy, items: Sequence[data.Encoded]) -> None:
    """Fill `reference` of every item with per-token log-probs (float32, on the CPU). Before any training step.

    Items of like length share a batch; each distinct sequence is computed once.
    """
    distinct: dict[tuple[int, tuple[int, ...]], list[data.Encoded]] = {}
    for item in items:
        distinct.setdefault((item.prompt_length, tuple(item.ids)), []).append(item)
    groups = sorted(distinct.values(), key=lambda group: len(group[0].ids))
    job.reporter.phase("reference", total_steps=len(groups))
    policy.model.eval()
    size = 2 * job.settings.batch_size  # no gradients are kept, so twice as much fits
    for at in range(0, len(groups), size):
        chunk = groups[at : at + size]
        with torch.no_grad():
            found = logprobs.of_tokens(
                policy, logprobs.collate([group[0] for group in chunk], device=policy.device)
            ).cpu()
        for row, group in zip(found, chunk, strict=True):
            for item in group:
                item.reference = row[: item.length].clone()
        job.reporter.progress(min(at + size, len(groups)))
