"""Log-probabilities of completions. Everything that needs them comes through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training_bridge.trainer import chunked, data, models


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The sequences `items` as B rows of C columns, C the longest completion.

    `targets` (B, C) are the completion tokens, `mask` (B, C) their span weights, `real` (B, C) 1 for completion tokens
    and 0 for padding. How the model is shown them is left to the policy's `packing`.
    """

    items: Sequence[data.Encoded]
    targets: Tensor
    mask: Tensor
    real: Tensor


def collate(items: Sequence[data.Encoded], *, device: torch.device) -> Batch:
    width = max(item.length for item in items)
    lengths = torch.tensor([[item.length] for item in items])
    targets = torch.tensor([item.ids[item.prompt_length :] + [0] * (width - item.length) for item in items])
    real = (torch.arange(width) < lengths).float()
    mask = real
    if any(item.mask is not None for item in items):
        weights = [item.mask or [1.0] * item.length for item in items]
        mask = torch.tensor([each + [0.0] * (width - len(each)) for each in weights])
    return Batch(items=items, targets=targets.to(device), mask=mask.to(device), real=real.to(device))


def of_tokens(policy: models.Policy, batch: Batch) -> Tensor:
    """(B, C) log pi(y_t | x, y_<t) in nats, float32; 0 at padding."""
    return _scored(policy, batch, has_entropy=False)[0]


def with_entropy(policy: models.Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """As `of_tokens`, and the entropy of each position's distribution in nats, (B, C), which has no gradient."""
    return _scored(policy, batch, has_entropy=True)


def spread(policy: models.Policy, items: Sequence[data.Encoded], *, top: int) -> Tensor:
    """For every completion token, row after row: what `chunked.described` says of it, (3, N); no gradient."""
    targets = torch.tensor([token for item in items for token in item.ids[item.prompt_length :]], device=policy.device)
    with torch.no_grad():
        if policy.head.problem:
            laid = policy.packing.layout(items, device=policy.device)
            chosen = policy.logits(laid).flatten(0, 1).index_select(0, laid.where)
            return chunked.described(chosen.to(torch.promote_types(chosen.dtype, torch.float32)), targets, top=top)
        states = hidden(policy, items)
        return chunked.spread(hidden=states, targets=targets, head=policy.head, dtype=policy.head_dtype, top=top)


def hidden(policy: models.Policy, items: Sequence[data.Encoded]) -> Tensor:
    """(N, H) what the head is handed for each completion token, row after row. Only for a head that is understood."""
    laid = policy.packing.layout(items, device=policy.device)
    return policy.hidden(laid).flatten(0, 1).index_select(0, laid.where)


def _scored(policy: models.Policy, batch: Batch, *, has_entropy: bool) -> tuple[Tensor, Tensor]:
    """The head sees only the positions that predict a completion token; prompts and padding cost it nothing."""
    if policy.head.problem:
        return from_whole_logits(policy, batch, has_entropy=has_entropy)
    return of_hidden(policy, batch, hidden(policy, batch.items), has_entropy=has_entropy)


def of_hidden(policy: models.Policy, batch: Batch, states: Tensor, *, has_entropy: bool) -> tuple[Tensor, Tensor]:
    """(B, C) log-probs, and entropies where they are asked for, of what `hidden` returned of the batch's items."""
    found, entropy = chunked.logprobs(
        hidden=states,
        targets=_flat_targets(batch, device=policy.device),
        head=policy.head,
        dtype=policy.head_dtype,
        has_entropy=has_entropy,
    )
    return _in_rows(found, batch), _in_rows(entropy, batch)


def from_whole_logits(policy: models.Policy, batch: Batch, *, has_entropy: bool) -> tuple[Tensor, Tensor]:
    """The same from every logit of every position, for a head that is not understood."""
    laid = policy.packing.layout(batch.items, device=policy.device)
    chosen = policy.logits(laid).flatten(0, 1).index_select(0, laid.where)
    chosen = chosen.to(torch.promote_types(chosen.dtype, torch.float32))
    targets = _flat_targets(batch, device=policy.device)
    found = _in_rows(chosen.gather(1, targets[:, None]).squeeze(1) - chosen.logsumexp(1), batch)
    if not has_entropy:
        return found, torch.zeros_like(found)
    scores = chosen.detach().log_softmax(1)
    return found, _in_rows(-(scores.exp() * scores).sum(1), batch)


def _flat_targets(batch: Batch, *, device: torch.device) -> Tensor:
    """(N,) the completion tokens, row after row. Made on the CPU: a GPU would be waited for."""
    return torch.tensor([token for item in batch.items for token in item.ids[item.prompt_length :]]).to(device)


def _in_rows(found: Tensor, batch: Batch) -> Tensor:
    """(N,), one number for each completion token, -> (B, C), 0 at padding."""
    return found.new_zeros(batch.real.shape).masked_scatter(batch.real.bool(), found)


def references(items: Sequence[data.Encoded], *, like: Tensor) -> Tensor:
    """(B, C) the stored log-probs of the starting model, padded with 0."""
    found = torch.zeros(like.shape, dtype=torch.float32)
    for row, item in enumerate(items):
        if item.reference is None:
            raise ValueError("the reference log-probs of a row were not computed")
        found[row, : item.length] = item.reference
    return found.to(like.device)


def ratios(policy: models.Policy, items: Sequence[data.Encoded]) -> tuple[Tensor, Tensor]:
    """Masked log-ratios r_m = sum_t m_t (log pi - log pi_ref), shape (B,), and mean NLL per whole completion, (B,)."""
    batch = collate(items, device=policy.device)
    found = of_tokens(policy, batch)
    ratio = ((found - references(items, like=found)) * batch.mask).sum(1)
    return ratio, -found.sum(1) / batch.real.sum(1)
