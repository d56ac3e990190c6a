"""Does penalising bad answers also move good ones?

A fixed set of accepted rows (or anchors) is scored before training and every so often after; its mean log-prob and the
mean entropy of the distributions it was drawn from, per token, are told as `probe` events. A falling log-prob is the
displacement described in arXiv:2410.08847; entropy that falls with it is collapse. `guard` stops on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from training_bridge.formats import spec
from training_bridge.trainer import data, job, logprobs, models, reporting

SIZE = 64
LOOKS = 10


def of(*, items: Sequence[data.Encoded], job: job.Job) -> Probe | None:
    """A probe over `items`, or None when there is nothing to watch (rejected-only data)."""
    if not items:
        job.reporter.event("no_probe", reason="no accepted rows to watch")
        return None
    return Probe(items=items, settings=job.settings)


class Probe:
    """Up to SIZE sequences, looked at after every `probe_every` steps, and after the last."""

    def __init__(self, *, items: Sequence[data.Encoded], settings: spec.Hyperparameters) -> None:
        stride = max(1, len(items) // SIZE)
        self.items = list(items[::stride][:SIZE])
        self.every = settings.probe_every or max(1, settings.max_steps // LOOKS)
        self.last = settings.max_steps
        self.batch_size = settings.batch_size
        self.before, self.entropy_before = 0.0, 0.0

    def begin(self, policy: models.Policy) -> None:
        """Score the starting model; call it before a state is resumed."""
        self.before, self.entropy_before = self._means(policy)

    def look(self, policy: models.Policy, *, step: int, reporter: reporting.Reporter) -> float | None:
        """Return how much the mean log-prob has changed, in nats per token; None where it is not time to look."""
        if step % self.every and step != self.last:
            return None
        now, entropy = self._means(policy)
        reporter.event(
            "probe",
            step=step,
            mean_logprob=now,
            before=self.before,
            change=now - self.before,
            entropy=entropy,
            entropy_before=self.entropy_before,
        )
        return now - self.before

    def _means(self, policy: models.Policy) -> tuple[float, float]:
        """Mean log-prob and mean entropy per completion token over the set, in nats."""
        total, entropy, tokens = 0.0, 0.0, 0
        with torch.no_grad():
            for at in range(0, len(self.items), self.batch_size):
                batch = logprobs.collate(self.items[at : at + self.batch_size], device=policy.device)
                found, spread = logprobs.with_entropy(policy, batch)
                total += found.sum().item()
                entropy += spread.sum().item()
                tokens += int(batch.real.sum().item())
        return total / max(1, tokens), entropy / max(1, tokens)
