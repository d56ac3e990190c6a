"""D2O."""

from __future__ import annotations

import torch

from training_bridge.trainer.conformance.oracles import d2o as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import d2o, dpo

ROWS = [
    ([1.0, 3.0], -2.0),
    ([-0.5, 0.25], 0.125),
    ([-30.0, -12.0], 25.0),
]


@claim("d2o")
def equals_the_formula() -> None:
    """Values and gradients are those of eq. 3, also far from 0."""
    anchors = torch.tensor([row[0] for row in ROWS], dtype=torch.float64, requires_grad=True)
    rejected = torch.tensor([row[1] for row in ROWS], dtype=torch.float64, requires_grad=True)
    found = d2o.loss(anchors=anchors, rejected=rejected, alpha=0.2, beta=0.1)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert anchors.grad is not None and rejected.grad is not None
    gradients = torch.cat([anchors.grad, rejected.grad[:, None]], dim=1)
    for row, (said, refused) in enumerate(ROWS):
        wanted = oracle.loss(anchors=said, rejected=refused, alpha=0.2, beta=0.1)
        by = oracle.gradient(anchors=said, rejected=refused, alpha=0.2, beta=0.1)
        assert_close(found[row], wanted, within=1e-12)
        assert_close(gradients[row], by, within=1e-12)


@claim("d2o")
def with_one_anchor_is_dpo() -> None:
    """K = 1 with alpha = beta equals DPO with the anchor as the chosen answer, values and gradients."""
    pairs = torch.tensor([(said[0], refused) for said, refused in ROWS], dtype=torch.float64, requires_grad=True)
    found = d2o.loss(anchors=pairs[:, :1], rejected=pairs[:, 1], alpha=0.3, beta=0.3)
    wanted = dpo.loss(chosen=pairs[:, 0], rejected=pairs[:, 1], beta=0.3)
    assert_close(found, wanted, within=1e-12)
    ours, theirs = (torch.autograd.grad(each.sum(), pairs)[0] for each in (found, wanted))
    assert_close(ours, theirs, within=1e-12)
