"""Log-probs of chosen tokens from hidden states: the head is applied to a chunk of positions at a time.

The logits of a chunk are made, used and thrown away, so memory is bounded by the chunk, whatever the number of
positions and the size of the vocabulary.

With G = onehot(y) - softmax(z), one row per position, the gradient of log pi(y) by the hidden state is G W: it does not
depend on the loss, so it is made in the forward pass while the softmax is at hand, and a frozen head (LoRA) needs no
second look. A head that is trained needs G again for its own gradient, sum_n g_n G_n h_n^T: chunks are kept up to
KEPT_BYTES and recomputed beyond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from training_bridge.trainer import heads

CHUNK_BYTES = {"cpu": 2**23, "cuda": 2**29}
KEPT_BYTES = {"cpu": 2**28, "cuda": 2**31}


def logprobs(
    *, hidden: Tensor, targets: Tensor, head: heads.Head, dtype: torch.dtype, has_entropy: bool = False
) -> tuple[Tensor, Tensor]:
    """log pi(target) and the entropy of each position, in nats: hidden (N, H), targets (N,) -> (N,), (N,).

    The head multiplies in `dtype`; everything behind it is float32, or float64 in a float64 model. The entropy has no
    gradient, and is 0 unless asked for.
    """
    weight, bias = head.linear.weight, head.linear.bias
    if not torch.is_grad_enabled():  # else the parameters would still ask for a gradient inside the function
        weight, bias = weight.detach(), None if bias is None else bias.detach()
    how = _How(head=head, dtype=dtype, has_entropy=has_entropy)
    found: tuple[Tensor, Tensor] = _Chunked.apply(hidden, weight, bias, targets, how)  # type: ignore[no-untyped-call]
    return found


@torch.no_grad()
def spread(*, hidden: Tensor, targets: Tensor, head: heads.Head, dtype: torch.dtype, top: int) -> Tensor:
    """What `described` says of each position, (3, N), chunk by chunk and without a gradient."""
    how = _How(head=head, dtype=dtype, has_entropy=False)
    found = hidden.new_empty((3, len(targets)), dtype=torch.promote_types(dtype, torch.float32))
    with torch.autocast(device_type=hidden.device.type, enabled=False):
        inputs, matrix, added = how.cast(hidden, head.linear.weight, head.linear.bias)
        size = chunk_size(matrix)
        for at in range(0, len(targets), size):
            part = slice(at, at + size)
            found[:, part] = described(_logits(inputs[part], matrix, added, head), targets[part], top=top)
    return found


def described(logits: Tensor, targets: Tensor, *, top: int) -> Tensor:
    """log pi(target) and the entropy, in nats, and the mass of the `top` likeliest tokens: (N, V), (N,) -> (3, N)."""
    totals = logits.logsumexp(1)
    chosen = logits.gather(1, targets[:, None]).squeeze(1) - totals
    likeliest = logits.topk(min(top, logits.shape[1]), dim=1).values
    return torch.stack([chosen, _entropy(logits, totals), (likeliest - totals[:, None]).exp().sum(1)])


@dataclass(frozen=True, kw_only=True)
class _How:
    head: heads.Head
    dtype: torch.dtype
    has_entropy: bool

    def cast(self, hidden: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        return hidden.to(self.dtype), weight.to(self.dtype), None if bias is None else bias.to(self.dtype)


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, how: _How
    ) -> tuple[Tensor, Tensor]:
        """Both outputs, and G W where the hidden states want a gradient."""
        wants_hidden, wants_head = ctx.needs_input_grad[0], any(ctx.needs_input_grad[1:3])
        precise = torch.promote_types(how.dtype, torch.float32)
        found, totals, entropy = (torch.zeros(targets.shape, dtype=precise, device=hidden.device) for _ in range(3))
        pulls = torch.empty(hidden.shape, dtype=how.dtype, device=hidden.device) if wants_hidden else None
        kept: list[Tensor] = []
        with torch.autocast(device_type=hidden.device.type, enabled=False):
            inputs, matrix, added = how.cast(hidden, weight, bias)
            size = chunk_size(matrix)
            for at in range(0, len(targets), size):
                part = slice(at, at + size)
                logits = _logits(inputs[part], matrix, added, how.head)
                totals[part] = logits.logsumexp(1)
                found[part] = logits.gather(1, targets[part, None]).squeeze(1) - totals[part]
                if how.has_entropy:
                    entropy[part] = _entropy(logits, totals[part])
                if pulls is not None or wants_head:
                    pull = _pull(logits, targets[part], totals[part], how.head).to(how.dtype)
                    if pulls is not None:
                        torch.mm(pull, matrix, out=pulls[part])
                    if wants_head and size * pull[:1].nbytes * (len(kept) + 1) <= KEPT_BYTES[hidden.device.type]:
                        kept.append(pull)
        ctx.save_for_backward(hidden, weight, bias, targets, totals, pulls, *kept)
        ctx.how = how
        ctx.mark_non_differentiable(entropy)
        return found, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_found: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, pulls = ctx.saved_tensors[0], ctx.saved_tensors[5]
        by_hidden = None if pulls is None else (by_found[:, None] * pulls).to(hidden.dtype)
        by_weight = by_bias = None
        if any(ctx.needs_input_grad[1:3]):
            by_weight, by_bias = _by_head(ctx, by_found)
        return by_hidden, by_weight, by_bias, None, None


def _by_head(ctx: Any, by_found: Tensor) -> tuple[Tensor, Tensor | None]:
    """Gradients of the head's weight and bias, summed over chunks in the parameters' own precision."""
    hidden, weight, bias, targets, totals, _, *kept = ctx.saved_tensors
    how: _How = ctx.how
    inputs, matrix, added = how.cast(hidden, weight, bias)
    by_weight, by_bias = torch.zeros_like(weight), None if bias is None else torch.zeros_like(bias)
    size = chunk_size(matrix)
    for number, at in enumerate(range(0, len(targets), size)):
        part = slice(at, at + size)
        if number < len(kept):
            pull = kept[number]
        else:
            logits = _logits(inputs[part], matrix, added, how.head)
            pull = _pull(logits, targets[part], totals[part], how.head).to(how.dtype)
        scaled = (inputs[part] * by_found[part, None]).to(how.dtype)
        if by_weight.dtype == how.dtype:
            by_weight.addmm_(pull.T, scaled)
        else:
            by_weight.add_(pull.T @ scaled)
        if by_bias is not None:
            by_bias.add_(by_found[part].to(how.dtype) @ pull)
    return by_weight, by_bias


def chunk_size(weight: Tensor) -> int:
    """Positions whose float32 logits fill a chunk; at least 16, or the matrix product would be a vector's."""
    return max(16, CHUNK_BYTES[weight.device.type] // (4 * weight.shape[0]))


def _logits(inputs: Tensor, weight: Tensor, bias: Tensor | None, head: heads.Head) -> Tensor:
    raw = torch.nn.functional.linear(inputs, weight, bias)
    return head.finish(raw.to(torch.promote_types(raw.dtype, torch.float32)))


def _entropy(logits: Tensor, totals: Tensor) -> Tensor:
    found = logits - totals[:, None]
    return -(found.exp() * found).sum(1)


def _pull(logits: Tensor, targets: Tensor, totals: Tensor, head: heads.Head) -> Tensor:
    """d log pi(target) / d (what the linear layer says), written over the logits."""
    slope = head.slope(logits)
    found = logits.sub_(totals[:, None]).exp_().neg_()
    found[torch.arange(len(targets), device=targets.device), targets] += 1
    return found.mul_(slope)
