"""Does penalising bad answers also move good ones?

A fixed set of accepted rows (or anchors) is scored before training and every so often after; its mean log-prob and the
mean entropy of the distributions it was drawn from, per token, are told as `probe` events, with the mass of their TOP
likeliest tokens. A falling log-prob is the displacement described in arXiv:2410.08847; entropy that falls with it, or
mass that rises, is collapse. A loss of more than WARNED_AT is told once more as `displaced`; `guard` stops on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from training_bridge.formats import spec
from training_bridge.trainer import data, job, logprobs, models, reporting

SIZE = 64
LOOKS = 10
TOP = 10
WARNED_AT = 0.1  # nats per token: what the watched answers' perplexity rises by a tenth at


def of(*, items: Sequence[data.Encoded], job: job.Job) -> Probe | None:
    """A probe over `items`, or None when there is nothing to watch (rejected-only data)."""
    if not items:
        job.reporter.event("no_probe", reason="no accepted rows to watch")
        return None
    return Probe(items=items, settings=job.settings)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Means over the watched answers' tokens: log-prob and entropy in nats, mass of the TOP likeliest tokens."""

    mean_logprob: float = 0.0
    entropy: float = 0.0
    top_mass: float = 0.0


class Probe:
    """Up to SIZE sequences, looked at after every `probe_every` steps, and after the last."""

    def __init__(self, *, items: Sequence[data.Encoded], settings: spec.Hyperparameters) -> None:
        stride = max(1, len(items) // SIZE)
        self.items = list(items[::stride][:SIZE])
        self.every = settings.probe_every or max(1, settings.max_steps // LOOKS)
        self.last = settings.max_steps
        self.batch_size = settings.batch_size
        self.before = Figures()
        self.is_warned = False

    def begin(self, policy: models.Policy) -> None:
        """Score the starting model; call it before a state is resumed."""
        self.before = self._means(policy)

    def look(self, policy: models.Policy, *, step: int, reporter: reporting.Reporter) -> float | None:
        """Return how much the mean log-prob has changed, in nats per token; None where it is not time to look."""
        if step % self.every and step != self.last:
            return None
        now = self._means(policy)
        change = now.mean_logprob - self.before.mean_logprob
        reporter.event(
            "probe",
            step=step,
            mean_logprob=now.mean_logprob,
            before=self.before.mean_logprob,
            change=change,
            entropy=now.entropy,
            entropy_before=self.before.entropy,
            top_mass=now.top_mass,
            top_mass_before=self.before.top_mass,
        )
        if change < -WARNED_AT and not self.is_warned:
            self.is_warned = True
            reporter.event("displaced", step=step, change=change, warned_at=WARNED_AT)
        return change

    def _means(self, policy: models.Policy) -> Figures:
        total, tokens = torch.zeros(3, dtype=torch.float64), 0
        for at in range(0, len(self.items), self.batch_size):
            found = logprobs.spread(policy, self.items[at : at + self.batch_size], top=TOP)
            total += found.double().sum(1).cpu()
            tokens += found.shape[1]
        logprob, entropy, mass = (total / max(1, tokens)).tolist()
        return Figures(mean_logprob=logprob, entropy=entropy, top_mass=mass)
