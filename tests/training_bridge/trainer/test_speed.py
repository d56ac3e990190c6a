from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

from training_bridge.formats import rundir
from training_bridge.trainer import data, models, speed

Make = Callable[..., rundir.RunDir]
# Two layers of hidden 32 and 64 between, as in toys: 4 matrices of attention, 3 of the MLP.
BODY = 2 * (4 * 32 * 32 + 3 * 32 * 64)


def policy_of(make: Make, **settings: Any) -> models.Policy:
    return models.for_training(asked=make(method="kto", **settings).read_spec())


def test_the_examples_hold() -> None:
    assert doctest.testmod(speed) == (0, 4)


def test_size_counts_matrices_and_the_head_apart_from_embeddings(make: Make) -> None:
    policy = policy_of(make)
    words = policy.model.config.vocab_size
    assert speed.size_of(policy.model) == speed.Size(
        trained=BODY, frozen=0, head_trained=32 * words, head_frozen=0, attention=2 * 32
    )


def test_size_under_an_adapter_is_frozen_but_for_it(make: Make) -> None:
    policy = policy_of(make, lora_rank=2)
    words = policy.model.config.vocab_size
    adapter = 2 * (4 * 2 * (32 + 32) + 3 * 2 * (32 + 64))
    assert speed.size_of(policy.model) == speed.Size(
        trained=adapter, frozen=BODY, head_trained=0, head_frozen=32 * words, attention=2 * 32
    )


def test_size_of_a_tied_head_counts_it_once() -> None:
    config = transformers.GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=50, n_positions=16)
    size = speed.size_of(transformers.GPT2LMHeadModel(config))
    assert size == speed.Size(trained=12 * 8 * 8, frozen=0, head_trained=400, head_frozen=0, attention=8)


def test_size_of_a_mixture_of_experts_is_not_known() -> None:
    config = transformers.MixtralConfig(
        vocab_size=10, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, num_local_experts=2,
    )  # fmt: skip
    assert speed.size_of(transformers.MixtralForCausalLM(config)) is None


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H100 80GB HBM3", 989.4),
        ("NVIDIA H100 PCIe", 756.5),
        ("NVIDIA H100 NVL", 835.5),
        ("NVIDIA H200", 989.4),
        ("NVIDIA GH200 480GB", 989.4),
        ("NVIDIA A100-SXM4-80GB", 312.0),
        ("NVIDIA L40S", 362.1),
        ("NVIDIA L4", 121.0),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_peaks_of_gpus_by_their_names(name: str, tera: float) -> None:
    assert speed.peak_of(name) == tera * 1e12


@pytest.mark.parametrize("name", ["", "NVIDIA H20", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA L40", "Tesla T4"])
def test_a_gpu_that_is_not_in_the_table_has_no_peak(name: str) -> None:
    assert speed.peak_of(name) is None


def test_shape_of_rows_of_any_kind() -> None:
    rows = [
        data.Encoded(ids=[1, 2, 3, 4], prompt_length=3),
        {"one": [data.Encoded(ids=[1, 2], prompt_length=1)], "label": True},
    ]
    assert speed.shape_of(rows) == pytest.approx((3.0, 2 / 6))
    assert speed.shape_of(["text"]) == (0.0, 1.0)


def test_a_step_on_the_cpu_tells_no_mfu(make: Make) -> None:
    told = speed.Meter(policy=policy_of(make)).of_step(tokens=600, seconds=2.0, rows=[])
    assert told.keys() == {"tokens_per_second", "memory_mib"}
    assert told["tokens_per_second"] == 300


def test_mfu_is_what_is_needed_over_what_the_gpus_could(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _: "NVIDIA H200")
    monkeypatch.setattr("torch.cuda.max_memory_allocated", lambda _: 3 * 2**20)
    plain = policy_of(make, dtype="bfloat16")
    on_gpu = models.Policy(model=plain.model, tokenizer=None, device=torch.device("cuda"), dtype=torch.bfloat16)
    rows = [data.Encoded(ids=[1] * 10, prompt_length=6)]
    # 12.345 thousand million tokens a second, so that something is left after rounding.
    told = speed.Meter(policy=on_gpu, devices=2).of_step(tokens=12_345_000_000, seconds=1.0, rows=rows)
    flop = 6 * BODY + 0.4 * 6 * 32 * plain.model.config.vocab_size + 12 * 2 * 32 * 10
    assert told["mfu"] == pytest.approx(12_345_000_000 * flop / (2 * 989.4e12), abs=1e-4)
    assert told["mfu"] > 0.8
    assert told["cuda_memory_mib"] == 3
    in_full = models.Policy(model=plain.model, tokenizer=None, device=torch.device("cuda"), dtype=torch.float32)
    assert "mfu" not in speed.Meter(policy=in_full).of_step(tokens=1, seconds=1.0, rows=rows)
