"""The starting model's word on every row: computed once, before the first step, and kept, also for the next run.

Both full and LoRA training start as the reference itself (a new adapter adds nothing yet), so no second model is ever
in memory and no step pays for a second forward pass.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from training_bridge.trainer import cache, data, job, logprobs, models, parallel

KEEP_SECONDS = 30.0


def attach(*, job: job.Job, policy: models.Policy, items: Sequence[data.Encoded]) -> None:
    """Fill `reference` of every item with per-token log-probs (float32, on the CPU). Before any training step.

    Each distinct sequence is computed once, items of like length together, and kept on disk under the policy's weights
    (cache.py), where it is looked for first. The event `reference` says how many were found and how many computed.

    What is computed is kept in whole batches, in order: a run that was killed here makes the same batches of what is
    left, and so the same numbers to the last bit.
    """
    policy.tell(job)
    distinct: dict[bytes, list[data.Encoded]] = {}
    for item in items:
        distinct.setdefault(cache.key_of_row(item), []).append(item)
    kept = _Kept(job, policy)
    known = parallel.from_first(kept.read(distinct) if parallel.is_first() else {})
    missing = sorted((key for key in distinct if key not in known), key=lambda key: len(distinct[key][0].ids))
    job.reporter.phase("reference", total_steps=len(distinct), step=len(known))
    policy.model.eval()
    size = 2 * job.settings.batch_size  # no gradients are kept, so twice as much fits
    places = _places([distinct[key][0].length for key in missing])
    own: dict[bytes, Tensor] = {}
    for at in range(parallel.rank() * size, len(missing), parallel.count() * size):
        chunk = missing[at : at + size]
        computed = _computed(policy, [distinct[key][0] for key in chunk])
        found = {key: place.copy_(row) for key, place, row in zip(chunk, places[at : at + size], computed, strict=True)}
        own.update(found)
        kept.add(found)
        job.reporter.progress(len(distinct) - len(missing) + min(at + parallel.count() * size, len(missing)))
    kept.flush()
    for theirs in parallel.gather_objects(own if parallel.count() == 1 else {key: own[key].clone() for key in own}):
        known.update(theirs)
    for key, group in distinct.items():
        for item in group:
            item.reference = known[key].clone()
    job.reporter.event("reference", rows=len(distinct), found=len(distinct) - len(missing), computed=len(missing))


def _places(lengths: list[int]) -> tuple[Tensor, ...]:
    """Where the numbers are put, side by side.

    Small tensors that stay, one by one between large ones that go, would leave holes that no large one fits: on a CPU
    a gigabyte for 4,000 rows of 110 tokens.
    """
    return torch.split(torch.zeros(sum(lengths)), lengths)


def _computed(policy: models.Policy, items: list[data.Encoded]) -> list[Tensor]:
    with torch.no_grad():
        found = logprobs.of_tokens(policy, logprobs.collate(items, device=policy.device)).float().cpu()
    return [row[: item.length] for row, item in zip(found, items, strict=True)]


class _Kept:
    """The cache as this run uses it: without one, and with a full disk, the run goes on and its events say so."""

    def __init__(self, job: job.Job, policy: models.Policy) -> None:
        self._job = job
        self._waiting: dict[bytes, Tensor] = {}
        self._written_at = time.monotonic()
        self._cache = cache.of(run=job.folder, base=job.spec.base, policy=policy)

    def read(self, wanted: dict[bytes, list[data.Encoded]]) -> dict[bytes, Tensor]:
        if self._cache is None:
            return {}
        try:
            return self._cache.read(wanted=wanted)
        except OSError as error:
            self._give_up(error)
            return {}

    def add(self, rows: dict[bytes, Tensor]) -> None:
        self._waiting.update(rows)
        if time.monotonic() - self._written_at > KEEP_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._cache is None or not self._waiting:
            return
        try:
            self._cache.add(self._waiting)
        except OSError as error:
            self._give_up(error)
        self._waiting, self._written_at = {}, time.monotonic()

    def _give_up(self, error: OSError) -> None:
        self._cache = None
        self._job.reporter.event("no_reference_cache", reason=str(error))
