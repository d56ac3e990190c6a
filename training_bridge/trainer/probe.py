"""The displacement guard in its light form: does penalising bad answers also move good ones?

A fixed set of accepted rows (or anchors) is scored before training and every so often after; the change of its mean
log-prob per token is told as `probe` events. A falling curve is the collapse described in arXiv:2410.08847.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training_bridge.trainer import data, job, logprobs, models, reporting

SIZE = 64
LOOKS = 10


def of(*, items: Sequence[data.Encoded], job: job.Job) -> Probe | None:
    """A probe over `items`, or None when there is nothing to watch (rejected-only data)."""
    if not items:
        job.reporter.event("no_probe", reason="no accepted rows to watch")
        return None
    return Probe(items=items, max_steps=job.settings.max_steps, batch_size=job.settings.batch_size)


class Probe:
    """Up to SIZE sequences, looked at about LOOKS times in `max_steps`."""

    def __init__(self, *, items: Sequence[data.Encoded], max_steps: int, batch_size: int) -> None:
        stride = max(1, len(items) // SIZE)
        self.items = list(items[::stride][:SIZE])
        self.every = max(1, max_steps // LOOKS)
        self.batch_size = batch_size
        self.before = 0.0

    def begin(self, policy: models.Policy) -> None:
        """Score the starting model; call it before a state is resumed."""
        self.before = self._mean(policy)

    def look(self, policy: models.Policy, *, step: int, reporter: reporting.Reporter) -> None:
        if step % self.every:
            return
        now = self._mean(policy)
        reporter.event("probe", step=step, mean_logprob=now, before=self.before, change=now - self.before)

    def _mean(self, policy: models.Policy) -> float:
        """Mean log-prob per completion token over the set, in nats."""
        total, tokens = 0.0, 0
        with torch.no_grad():
            for at in range(0, len(self.items), self.batch_size):
                batch = logprobs.collate(self.items[at : at + self.batch_size], device=policy.device)
                total += logprobs.of_tokens(policy, batch).sum().item()
                tokens += int(batch.real.sum().item())
        return total / max(1, tokens)
