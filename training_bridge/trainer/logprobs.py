"""Log-probabilities of completions. Everything that needs them comes through here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training_bridge.trainer import chunked, data, models


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Sequences padded together. B rows, L = longest sequence, C = longest completion.

    `ids` (B, L) right-padded; `targets` (B, C) the completion tokens, `places` (B, C) the position whose logits
    predict each, `mask` (B, C) span weights, `real` (B, C) 1 for completion tokens and 0 for padding.
    """

    ids: Tensor
    targets: Tensor
    places: Tensor
    mask: Tensor
    real: Tensor


def collate(items: Sequence[data.Encoded], *, device: torch.device) -> Batch:
    longest = max(len(item.ids) for item in items)
    width = max(item.length for item in items)
    ids = torch.tensor([item.ids + [0] * (longest - len(item.ids)) for item in items])
    lengths = torch.tensor([[item.length] for item in items])
    starts = torch.tensor([[item.prompt_length - 1] for item in items])
    columns = torch.arange(width)
    places = (starts + columns).clamp(max=longest - 2)
    real = (columns < lengths).float()
    mask = real
    if any(item.mask is not None for item in items):
        weights = [item.mask or [1.0] * item.length for item in items]
        mask = torch.tensor([each + [0.0] * (width - len(each)) for each in weights])
    targets = ids.gather(1, places + 1)
    return Batch(**{name: each.to(device) for name, each in locals().items() if name in Batch.__annotations__})


def of_tokens(policy: models.Policy, batch: Batch) -> Tensor:
    """(B, C) log pi(y_t | x, y_<t) in nats, float32; 0 at padding."""
    return _scored(policy, batch, has_entropy=False)[0]


def with_entropy(policy: models.Policy, batch: Batch) -> tuple[Tensor, Tensor]:
    """As `of_tokens`, and the entropy of each position's distribution in nats, (B, C), which has no gradient."""
    return _scored(policy, batch, has_entropy=True)


def _scored(policy: models.Policy, batch: Batch, *, has_entropy: bool) -> tuple[Tensor, Tensor]:
    """The head sees only the positions that predict a completion token; prompts and padding cost it nothing."""
    if policy.head.problem:
        return from_whole_logits(policy, batch, has_entropy=has_entropy)
    rows, columns = batch.real.nonzero(as_tuple=True)  # first: on a GPU this waits for what was asked before
    where = rows * batch.ids.shape[1] + batch.places[rows, columns]
    hidden = policy.hidden(batch.ids)
    found, entropy = chunked.logprobs(
        hidden=hidden.flatten(0, 1).index_select(0, where),
        targets=batch.targets[rows, columns],
        head=policy.head,
        dtype=policy.head_dtype,
        has_entropy=has_entropy,
    )
    empty = found.new_zeros(batch.real.shape)
    return empty.index_put((rows, columns), found), empty.index_put((rows, columns), entropy)


def from_whole_logits(policy: models.Policy, batch: Batch, *, has_entropy: bool) -> tuple[Tensor, Tensor]:
    """The same from every logit of every position, for a head that is not understood."""
    logits = policy.logits(batch.ids)
    chosen = logits.gather(1, batch.places[:, :, None].expand(-1, -1, logits.shape[-1]))
    chosen = chosen.to(torch.promote_types(chosen.dtype, torch.float32))
    found = chosen.gather(2, batch.targets[:, :, None]).squeeze(2) - chosen.logsumexp(2)
    if not has_entropy:
        return found * batch.real, torch.zeros_like(batch.real)
    scores = chosen.detach().log_softmax(2)
    return found * batch.real, -(scores.exp() * scores).sum(2) * batch.real


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
