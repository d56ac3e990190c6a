"""The starting model's word under way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import models, starting

Stand = Callable[..., contextlib.AbstractContextManager[None]]


def by_the_policy_itself(_: Stand) -> Stand:
    """The reference of a refreshed anchor is the policy that sampled it: its log-ratio begins at 0."""
    return lambda **_: contextlib.nullcontext()


def never_given_back(stand: Stand) -> Stand:
    """Training goes on from the starting weights."""

    @contextlib.contextmanager
    def faulty(*, policy: models.Policy, **rest: Any) -> Iterator[None]:
        with stand(policy=policy, **rest):
            now = {name: each.detach().clone() for name, each in policy.trainable().items()}
            yield
        with torch.no_grad():
            for name, each in policy.trainable().items():
                each.copy_(now.get(name, each))

    return faulty


FAULTS = [
    Fault("refresh.under_way_equals_before", starting, by_the_policy_itself, "standing_in"),
    Fault("refresh.under_way_equals_before", starting, never_given_back, "standing_in"),
    Fault("refresh.under_way_equals_before_with_an_adapter", starting, by_the_policy_itself, "standing_in"),
    Fault("refresh.the_policy_is_given_back", starting, never_given_back, "standing_in"),
]
