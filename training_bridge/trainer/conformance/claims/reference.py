"""The starting model's word, stored once, against the same asked for at the step."""

from __future__ import annotations

import torch
from torch import Tensor

from training_bridge.trainer import data, job, loop, models, reference
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import kto

WITHIN = 1e-5  # float32: other rows, other padding


@claim("reference")
def cached_equals_live() -> None:
    """All weights trained: the loss and gradients with stored log-probs are those with the starting model's own."""
    moved, starting = toys.policy(seed=1), toys.policy(seed=0)
    with toys.run(method="kto", starting=starting, batch_size=2) as asked:
        cached, live = _twice()
        reference.attach(job=asked, policy=starting, items=_items())
        reference.attach(job=asked, policy=starting, items=cached)  # by now all of it can come from the disk
        toys.score(starting, live)
        _assert_same(asked, moved, cached, live)


@claim("reference")
def cached_equals_the_adapter_off() -> None:
    """A LoRA adapter that has moved: what was stored before is what the model says with the adapter off."""
    starting = toys.policy(seed=0)
    with toys.run(method="kto", starting=starting, batch_size=2, lora_rank=4) as asked:
        policy = models.with_lora(starting, settings=asked.settings)
        cached, live = _twice()
        reference.attach(job=asked, policy=policy, items=cached)
        _move(policy)
        with policy.model.disable_adapter():
            toys.score(policy, live)
        _assert_same(asked, policy, cached, live)


def _twice() -> tuple[list[data.Encoded], list[data.Encoded]]:
    """The same rows twice: eight, one of them double, one with another's completion under another prompt."""
    return _items(), _items()


def _items() -> list[data.Encoded]:
    found = toys.items(6, seed=7)
    first = found[0]
    prompt = [number + 1 for number in first.ids[: first.prompt_length]]
    same = data.Encoded(ids=list(first.ids), prompt_length=first.prompt_length)
    other = data.Encoded(ids=prompt + first.ids[first.prompt_length :], prompt_length=first.prompt_length)
    return [*found, same, other]


def _move(policy: models.Policy) -> None:
    chance = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for each in policy.trainable().values():
            each.add_(torch.randn(each.shape, generator=chance) * 0.3)


def _assert_same(asked: job.Job, policy: models.Policy, cached: list[data.Encoded], live: list[data.Encoded]) -> None:
    for stored, now in zip(cached, live, strict=True):
        assert stored.reference is not None and now.reference is not None
        assert_close(stored.reference, now.reference, within=WITHIN)
    (loss, gradients), (wanted, by) = (_loss(asked, policy, items) for items in (cached, live))
    assert_close(loss, wanted, within=WITHIN)
    toys.assert_same_gradients(gradients, by, within=WITHIN)


def _loss(asked: job.Job, policy: models.Policy, items: list[data.Encoded]) -> tuple[float, Tensor]:
    rows = [
        kto.Row(item=item, is_desirable=number % 3 == 0, mismatched=items[number - 1])
        for number, item in enumerate(items)
    ]
    value = kto.loss(asked, policy, rows, loop.Step(number=0, rows=rows, own=rows)).value
    gradients = torch.autograd.grad(value, list(policy.trainable().values()))
    return value.item(), torch.cat([each.reshape(-1) for each in gradients])
