from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

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
