"""The claims there are. A claim is a function without arguments that raises AssertionError where it does not hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Check = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """`says` is the claim in one sentence: the first line of the check's docstring."""

    method: str
    says: str
    check: Check


CLAIMS: list[Claim] = []


def claim(method: str) -> Callable[[Check], Check]:
    """Register the decorated check as a claim about this method."""

    def register(check: Check) -> Check:
        CLAIMS.append(Claim(method=method, says=(check.__doc__ or check.__name__).splitlines()[0], check=check))
        return check

    return register


def assert_close(
    found: Tensor | Sequence[float] | float, wanted: Tensor | Sequence[float] | float, *, within: float
) -> None:
    """Compare values of one shape, by absolute and relative difference. Raises AssertionError with the worst pair."""
    ours, theirs = (torch.as_tensor(each, dtype=torch.float64).detach().reshape(-1) for each in (found, wanted))
    if ours.shape != theirs.shape:
        raise AssertionError(f"{ours.numel()} numbers, {theirs.numel()} wanted")
    gaps = (ours - theirs).abs() / theirs.abs().clamp(min=1)
    worst = int(gaps.argmax())
    if not bool(torch.isfinite(ours).all()) or gaps[worst] > within:
        raise AssertionError(f"{ours[worst].item():.12g}, {theirs[worst].item():.12g} wanted")
