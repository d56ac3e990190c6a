"""KL(starting model || policy) of whole distributions, a chunk of positions at a time and without a second model.

Before the first step the starting model's hidden states are kept for the answers that are to hold the policy; with its
head they make its distributions again whenever they are needed. That costs memory on the CPU, one hidden state for each
of those tokens, and on the device a copy of the head where the head is trained; no step pays for a second forward pass.

With pi the policy and q the starting model, the gradient by the policy's logits is pi - q. As in chunked.py the part
of it that is the hidden state's, (pi - q) W, is made in the forward pass, and a trained head's is made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from training_bridge.trainer import chunked, data, errors, heads, job, logprobs, models
from training_bridge.trainer.losses import gradient_ascent


@dataclass(frozen=True, kw_only=True)
class Starting:
    """The starting model's hidden states of some answers, (T, H) each, on the CPU, and its head's weights."""

    states: list[Tensor]
    weight: Tensor
    bias: Tensor | None


def of(*, job: job.Job, policy: models.Policy, items: Sequence[data.Encoded]) -> Starting:
    """Keep what the policy, which is still the starting model, makes of these answers.

    The event `divergence` says how many there are and how many MiB they take. Raises Refused where the model does
    something unknown behind its head.
    """
    if policy.head.problem:
        raise errors.Refused(
            "divergence_weight compares whole distributions, for which the model's head must be understood, and "
            f"{policy.head.problem}. Set divergence_weight to 0."
        )
    job.reporter.phase("divergence", total_steps=len(items))
    policy.model.eval()
    size = 2 * job.settings.batch_size
    found: list[Tensor] = []
    for at in range(0, len(items), size):
        batch = items[at : at + size]
        with torch.no_grad():
            states = logprobs.hidden(policy, batch).to(policy.head_dtype).cpu()
        found.extend(each.clone() for each in torch.split(states, [item.length for item in batch]))
        job.reporter.progress(len(found))
    job.reporter.event("divergence", rows=len(found), mib=round(sum(each.nbytes for each in found) / 2**20, 1))
    linear = policy.head.linear
    return Starting(states=found, weight=_kept(linear.weight), bias=None if linear.bias is None else _kept(linear.bias))


def of_positions(*, policy: models.Policy, hidden: Tensor, starting: Starting, states: Sequence[Tensor]) -> Tensor:
    """KL(starting model || policy) in nats, (N,): the policy's hidden states (N, H), and of `starting` those of the
    same positions, answer after answer.
    """
    linear = policy.head.linear
    before = torch.cat(list(states)).to(hidden.device)
    how = _How(head=policy.head, dtype=policy.head_dtype, states=before, weight=starting.weight, bias=starting.bias)
    found: Tensor = _Divergence.apply(hidden, linear.weight, linear.bias, how)  # type: ignore[no-untyped-call]
    return found


@dataclass(frozen=True, kw_only=True)
class _How:
    """The head as it is applied, and what the starting model's says: hidden states (N, H) and weights."""

    head: heads.Head
    dtype: torch.dtype
    states: Tensor
    weight: Tensor
    bias: Tensor | None

    def chunks(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Parts of the positions with the policy's logits and the starting model's, both (n, V), of each."""
        theirs = self.weight.to(self.dtype), None if self.bias is None else self.bias.to(self.dtype)
        ours = weight.to(self.dtype), None if bias is None else bias.to(self.dtype)
        size = max(16, chunked.chunk_size(ours[0]) // 2)  # two of each are in memory
        for at in range(0, len(hidden), size):
            part = slice(at, at + size)
            yield part, self._logits(hidden[part], *ours), self._logits(self.states[part], *theirs)

    def _logits(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        raw = torch.nn.functional.linear(hidden.to(self.dtype), weight, bias)
        return self.head.finish(raw.to(torch.promote_types(raw.dtype, torch.float32)))

    def pull(self, logits: Tensor, references: Tensor) -> Tensor:
        """d KL / d (what the linear layer says)."""
        return ((logits.softmax(1) - references.softmax(1)) * self.head.slope(logits)).to(self.dtype)


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, how: _How) -> Tensor:
        found = torch.zeros(len(hidden), dtype=torch.promote_types(how.dtype, torch.float32), device=hidden.device)
        pulls = torch.empty(hidden.shape, dtype=how.dtype, device=hidden.device) if ctx.needs_input_grad[0] else None
        with torch.autocast(device_type=hidden.device.type, enabled=False):
            for part, logits, references in how.chunks(hidden, weight, bias):
                found[part] = gradient_ascent.divergence(logits=logits, references=references)
                if pulls is not None:
                    pulls[part] = how.pull(logits, references) @ weight.to(how.dtype)
        ctx.save_for_backward(hidden, weight, bias, pulls)
        ctx.how = how
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_found: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, pulls = ctx.saved_tensors
        how: _How = ctx.how
        by_hidden = None if pulls is None else (by_found[:, None] * pulls).to(hidden.dtype)
        if not any(ctx.needs_input_grad[1:3]):
            return by_hidden, None, None, None
        by_weight, by_bias = torch.zeros_like(weight), None if bias is None else torch.zeros_like(bias)
        for part, logits, references in how.chunks(hidden, weight, bias):
            scaled = how.pull(logits, references) * by_found[part, None].to(how.dtype)
            by_weight.add_(scaled.T @ hidden[part].to(how.dtype))
            if by_bias is not None:
                by_bias.add_(scaled.sum(0))
        return by_hidden, by_weight, by_bias, None


def _kept(weight: Tensor) -> Tensor:
    """The weight as it is now: a copy where training moves it."""
    return weight.detach().clone() if weight.requires_grad else weight
