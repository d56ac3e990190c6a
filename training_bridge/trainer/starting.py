"""The starting model, once training has moved: D2O's refreshed anchors need its word, and so may others.

An adapter is switched off. Where all weights are trained, the base is read from its place again, into memory of the
CPU; its weights stand in the policy while the passes are made, and those that were there wait on the CPU. So a pass
costs a reading of the base and, while it lasts, two copies of the weights in the CPU's memory; between passes, nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from training_bridge.formats import spec
from training_bridge.trainer import models


@contextlib.contextmanager
def standing_in(*, policy: models.Policy, base: spec.Base) -> Iterator[None]:
    """In this context the policy is the starting model, for passes without gradient; then again what it was, exactly.

    Raises Refused where the base can no longer be read.
    """
    if policy.is_adapter:
        with policy.model.disable_adapter():
            yield
        return
    moved = policy.weights()
    if policy.device.type == "cpu":
        moved = {name: each.clone() for name, each in moved.items()}  # they would be the parameters themselves
    policy.restore(dict(models.weights_of(base=base).named_parameters()))
    try:
        yield
    finally:
        policy.restore(moved)
