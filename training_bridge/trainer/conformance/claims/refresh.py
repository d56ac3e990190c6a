"""D2O's on-line form: the starting model's word on anchors that the policy sampled after it had moved."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer import data, job, loop, models, reference, starting
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import d2o

WITHIN = 1e-5  # float32: other rows, other padding
ANCHORS = 3


@claim("refresh")
def under_way_equals_before() -> None:
    """All weights trained: references that are computed under way give the loss and gradients of those from before."""
    before = toys.policy(seed=0)
    with toys.run(method="d2o", starting=before, batch_size=2) as asked:
        _assert_same_loss(asked, before, _moved(toys.policy(seed=0)))


@claim("refresh")
def under_way_equals_before_with_an_adapter() -> None:
    """LoRA: references that are computed under way give the loss and gradients of those from before training."""
    before = toys.policy(seed=0)
    with toys.run(method="d2o", starting=before, batch_size=2, lora_rank=4) as asked:
        policy = models.with_lora(toys.policy(seed=0), settings=asked.settings)
        _assert_same_loss(asked, before, _moved(policy))


@claim("refresh")
def the_policy_is_given_back() -> None:
    """After the starting model has spoken, every weight is what it was, to the last bit."""
    before = toys.policy(seed=0)
    with toys.run(method="d2o", starting=before) as asked:
        policy = _moved(toys.policy(seed=0))
        weights = {name: each.detach().clone() for name, each in policy.trainable().items()}
        with starting.standing_in(policy=policy, base=asked.spec.base):
            pass
        for name, each in policy.trainable().items():
            assert each.equal(weights[name]), f"{name} has changed"


def _assert_same_loss(asked: job.Job, before: models.Policy, policy: models.Policy) -> None:
    wanted, found = toys.items(4 * (1 + ANCHORS), seed=5), toys.items(4 * (1 + ANCHORS), seed=5)
    toys.score(before, wanted)
    right, by = _loss(asked, policy, wanted)
    with starting.standing_in(policy=policy, base=asked.spec.base):
        reference.attach(job=asked, policy=policy, items=found)
    loss, gradients = _loss(asked, policy, found)
    assert_close(loss, right, within=WITHIN)
    toys.assert_same_gradients(gradients, by, within=WITHIN)


def _loss(asked: job.Job, policy: models.Policy, items: list[data.Encoded]) -> tuple[float, Tensor]:
    said = items[4:]
    rows = [
        d2o.Row(rejected=item, anchors=said[ANCHORS * number : ANCHORS * (number + 1)])
        for number, item in enumerate(items[:4])
    ]
    value = d2o.loss(asked, policy, rows, loop.Step(number=0, rows=rows, own=rows)).value
    gradients = torch.autograd.grad(value, list(policy.trainable().values()))
    return value.item(), torch.cat([each.reshape(-1) for each in gradients])


def _moved(policy: models.Policy) -> models.Policy:
    chance = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for each in policy.trainable().values():
            each.add_(torch.randn(each.shape, generator=chance) * 0.1)
    return policy
