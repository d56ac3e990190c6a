from __future__ import annotations

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import rundir
from training_bridge.trainer import data, job, logprobs, models, reference


@pytest.fixture
def policy(make: Callable[..., rundir.RunDir]) -> models.Policy:
    return models.load(asked=make("policy", method="kto").read_spec())


def items(count: int = 5) -> list[data.Encoded]:
    chance = random.Random(0)
    found = []
    for _ in range(count):
        length = chance.randint(3, 20)
        prompt = chance.randint(1, length - 1)
        mask = [float(chance.random() < 0.5) for _ in range(length - prompt)]
        found.append(data.Encoded(ids=[chance.randint(3, 60) for _ in range(length)], prompt_length=prompt, mask=mask))
    return found


def test_of_tokens_equals_one_row_at_a_time_with_the_whole_softmax(policy: models.Policy) -> None:
    """Padding on the right, without an attention mask, changes nothing that is used."""
    rows = items()
    with torch.no_grad():
        found = logprobs.of_tokens(policy, logprobs.collate(rows, device=policy.device))
        for row, item in zip(found, rows, strict=True):
            logits = policy.model(input_ids=torch.tensor([item.ids])).logits[0].log_softmax(-1)
            alone = [logits[place - 1, item.ids[place]].item() for place in range(item.prompt_length, len(item.ids))]
            assert row[: item.length].tolist() == pytest.approx(alone, abs=1e-5)
            assert not row[item.length :].any()


def test_ratios_are_masked_sums_over_the_reference(policy: models.Policy) -> None:
    rows = items()
    with torch.no_grad():
        now = logprobs.of_tokens(policy, logprobs.collate(rows, device=policy.device))
        for item in rows:
            item.reference = torch.full((item.length,), -2.0)
        found, nll = logprobs.ratios(policy, rows)
    for number, item in enumerate(rows):
        tokens = now[number, : item.length].tolist()
        masked = sum(w * (p + 2.0) for w, p in zip(item.mask or [], tokens, strict=True))
        assert found[number].item() == pytest.approx(masked, abs=1e-4)
        assert nll[number].item() == pytest.approx(-sum(tokens) / item.length, abs=1e-5)


def test_ratios_need_a_reference(policy: models.Policy) -> None:
    with pytest.raises(ValueError, match="were not computed"):
        logprobs.ratios(policy, items())


def test_attach_makes_every_ratio_zero_at_the_start(
    policy: models.Policy, make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job]
) -> None:
    rows = items(9)
    twin = data.Encoded(ids=list(rows[0].ids), prompt_length=rows[0].prompt_length)
    reference.attach(job=job_of(make(method="kto", batch_size=2)), policy=policy, items=[*rows, twin])
    with torch.no_grad():
        assert logprobs.ratios(policy, [*rows, twin])[0].abs().max().item() < 1e-4
    assert twin.reference is not rows[0].reference


def test_attach_under_a_new_adapter_is_the_base(
    base: Path, make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job], policy: models.Policy
) -> None:
    """LoRA starts as the base itself, and its ratio is against the base, not the raw log-prob."""
    place = make(method="kto", lora_rank=4)
    adapted = models.for_training(asked=place.read_spec())
    rows, plain = items(), items()
    reference.attach(job=job_of(place), policy=adapted, items=rows)
    reference.attach(job=job_of(place), policy=policy, items=plain)
    for one, other in zip(rows, plain, strict=True):
        assert one.reference is not None
        assert other.reference is not None
        torch.testing.assert_close(one.reference, other.reference)


def test_the_log_probs_take_no_gradient_and_no_memory_of_one_without_need(policy: models.Policy) -> None:
    batch = logprobs.collate(items(), device=policy.device)
    with torch.no_grad():
        assert not logprobs.of_tokens(policy, batch).requires_grad
    found, entropy = logprobs.with_entropy(policy, batch)
    assert found.requires_grad
    assert not entropy.requires_grad


def test_with_entropy_is_the_whole_distributions(policy: models.Policy) -> None:
    rows = items()
    with torch.no_grad():
        _, found = logprobs.with_entropy(policy, logprobs.collate(rows, device=policy.device))
        for row, item in zip(found, rows, strict=True):
            logits = policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1]
            alone = torch.special.entr(logits.softmax(-1)).sum(-1)
            torch.testing.assert_close(row[: item.length], alone, atol=1e-5, rtol=1e-5)
            assert not row[item.length :].any()


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_bfloat16_differs_from_whole_logits_by_its_rounding_alone(
    make: Callable[..., rundir.RunDir], lora_rank: int
) -> None:
    asked = make(method="kto", dtype="bfloat16", lora_rank=lora_rank).read_spec()
    policy = models.for_training(asked=asked)
    batch = logprobs.collate(items(), device=policy.device)
    gradients = []
    for score in (logprobs.with_entropy, functools.partial(logprobs.from_whole_logits, has_entropy=True)):
        policy.model.zero_grad(set_to_none=True)
        found, entropy = score(policy, batch)
        assert found.dtype == entropy.dtype == torch.float32
        found.sum().backward()  # type: ignore[no-untyped-call]
        gradients.append({name: each.grad for name, each in policy.trainable().items() if each.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, each in gradients[0].items():
        assert each.dtype == torch.float32
        torch.testing.assert_close(each, gradients[1][name], atol=0.03 * each.abs().max().item(), rtol=0.02)


def test_a_head_that_is_not_understood_computes_whole_logits(
    policy: models.Policy, make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job]
) -> None:
    """Here the model forbids a token behind its head, which no factor and no cap can say."""
    place = make(method="kto")
    forward = policy.model.forward

    def without_a_token(**asked: Any) -> Any:
        made = forward(**asked)
        made.logits[..., 5] = -1e4
        return made

    policy.model.forward = without_a_token
    with pytest.warns(UserWarning, match="changes its logits behind the head"):
        assert policy.head.problem
    rows = items()
    reference.attach(job=job_of(place), policy=policy, items=rows)
    assert any("behind the head" in event["reason"] for event in test_recipes.events(place, "whole_logits"))
    logits = policy.model(input_ids=torch.tensor([rows[0].ids])).logits[0].log_softmax(-1)
    wanted = [logits[place - 1, rows[0].ids[place]] for place in range(rows[0].prompt_length, len(rows[0].ids))]
    assert rows[0].reference is not None
    torch.testing.assert_close(rows[0].reference, torch.stack(wanted).detach(), atol=1e-5, rtol=1e-5)


def test_trying_the_head_leaves_no_trace(policy: models.Policy) -> None:
    policy.model.train()
    before = torch.get_rng_state()
    assert not policy.head.problem
    assert policy.model.training
    assert torch.get_rng_state().equal(before)
    with torch.no_grad():
        logprobs.of_tokens(policy, logprobs.collate(items(), device=policy.device))
    assert policy.model(input_ids=torch.tensor([[3, 4]])).logits.shape[1] == 2


def test_the_head_of_an_adapted_model_is_the_bases(make: Callable[..., rundir.RunDir]) -> None:
    adapted = models.for_training(asked=make(method="kto", lora_rank=2).read_spec())
    assert not adapted.head.problem
    assert adapted.head.linear is adapted.model.base_model.model.lm_head
