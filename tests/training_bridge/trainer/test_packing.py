from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn.attention import flex_attention
from transformers.integrations import flex_attention as flexing

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import rundir
from training_bridge.trainer import attending, data, generation, job, logprobs, models, packing, saving

CPU = torch.device("cpu")
PROMPT, OTHER = list(range(3, 23)), list(range(30, 34))
SMALL: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
PACKS = {
    "Llama with shared keys": transformers.LlamaConfig(**SMALL, num_key_value_heads=1),
    "Qwen2": transformers.Qwen2Config(**SMALL, num_key_value_heads=2),
    "Phi": transformers.PhiConfig(**SMALL),
    "GPT-NeoX": transformers.GPTNeoXConfig(**SMALL),
    "OPT": transformers.OPTConfig(
        vocab_size=61, hidden_size=32, ffn_dim=64, word_embed_proj_dim=32, num_hidden_layers=2, num_attention_heads=2
    ),
}
DOES_NOT = {
    "biases by distance": transformers.BloomConfig(vocab_size=61, hidden_size=32, n_layer=2, n_head=2),
    "a recurrence": transformers.MambaConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, state_size=4),
    "an attention of its own": transformers.FalconConfig(
        vocab_size=61, hidden_size=32, num_hidden_layers=2, num_attention_heads=2
    ),
}


def row(prompt: list[int], *completion: int) -> data.Encoded:
    return data.Encoded(ids=[*prompt, *completion], prompt_length=len(prompt))


def rows() -> list[data.Encoded]:
    return [row(PROMPT, 40, 41, 42), row(OTHER, 43, 44, 45, 46, 47), row(PROMPT, 48), row(PROMPT, 49, 50)]


def policy_of(config: Any) -> models.Policy:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]
    return models.Policy(model=model, tokenizer=None, device=CPU, dtype=torch.float32)


def scored(policy: models.Policy, *, how: attending.Packing | None = None) -> torch.Tensor:
    if how is not None:
        vars(policy)["packing"] = how
    return logprobs.of_tokens(policy, logprobs.collate(rows(), device=CPU))


def gradients(policy: models.Policy, *, how: attending.Packing | None = None) -> torch.Tensor:
    found = torch.autograd.grad(scored(policy, how=how).sum(), list(policy.trainable().values()))
    return torch.cat([each.reshape(-1) for each in found])


PADDED = attending.Packing(problem="not asked for")


def test_a_shared_prompt_stands_once_and_no_last_token_at_all() -> None:
    laid = packing.in_blocks(rows(), device=CPU)
    assert laid.ids[0, : len(PROMPT)].tolist() == PROMPT
    assert sorted(laid.ids[0].tolist()) == sorted([*PROMPT, 40, 41, 49, 0, *OTHER, 43, 44, 45, 46])
    assert packing.tokens(rows()) == len(PROMPT) + 2 + 1 + len(OTHER) + 4
    assert laid.ids.flatten()[laid.where].tolist() == [22, 40, 41, 33, 43, 44, 45, 46, 22, 22, 49]


def test_positions_restart_and_completions_go_on_from_their_prompt() -> None:
    laid = packing.in_line(rows(), device=CPU, length=40)
    assert laid.positions is not None
    assert laid.positions[0].tolist() == [*range(20), 20, 21, 20, *range(8), *[0] * 9]
    assert laid.ids[0].tolist() == [*PROMPT, 40, 41, 49, *OTHER, 43, 44, 45, 46, *[0] * 9]


def test_a_few_tokens_are_not_worth_sharing() -> None:
    laid = packing.in_blocks([row(OTHER, 40, 41), row(OTHER, 42, 43)], device=CPU)
    assert [(block.count, block.length, block.before) for block in laid.blocks] == [(2, 5, None)]


def test_rows_of_like_length_make_one_block_and_others_their_own() -> None:
    items = [row(PROMPT[:start], *range(30, 60)) for start in (20, 19, 4, 3)]
    laid = packing.in_blocks(items, device=CPU)
    assert [(block.count, block.length) for block in laid.blocks] == [(2, 49), (2, 33)]


def test_a_line_too_short_is_refused() -> None:
    with pytest.raises(ValueError, match="31 tokens do not fit into a line of 30"):
        packing.in_line(rows(), device=CPU, length=30)


def test_the_function_for_flex_attention_says_who_sees_whom() -> None:
    prompt = list(range(3, 21))
    laid = packing.in_line([row(prompt, 40, 41), row(OTHER[:2], 50), row(prompt, 42, 43)], device=CPU, length=24)
    assert laid.forest is not None
    sees = laid.forest.sees()
    seen = [[key for key in range(24) if sees(0, 0, torch.tensor(query), torch.tensor(key))] for query in range(24)]
    whole = list(range(18))
    assert seen[:18] == [whole[: query + 1] for query in whole]
    assert seen[18:20] == [[*whole, 18], [*whole, 19]]
    assert seen[20:22] == [[20], [20, 21]]
    assert seen[22:] == [[22], [22, 23]]


def test_lines_are_as_long_as_the_longest_before() -> None:
    how = attending.Packing(way="flex")
    many = [row(list(range(3, 60)), *range(number, number + 9)) for number in range(3, 50)]
    lengths = [how.layout(items, device=CPU).ids.shape[1] for items in (rows(), many, rows())]
    with torch.no_grad():
        lengths.append(how.layout(rows(), device=CPU).ids.shape[1])
    assert lengths == [128, 512, 512, 128]


def test_flex_attention_says_what_padded_rows_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward alone, and not compiled: on a CPU it has no more."""

    def plain(query: Any, key: Any, value: Any, training: bool = False, **rest: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return flex_attention.flex_attention(query, key, value, **rest)

    monkeypatch.setattr(flexing, "compile_friendly_flex_attention", plain)
    policy = policy_of(PACKS["Llama with shared keys"])
    policy.model.set_attn_implementation(attending.NAME)
    with torch.no_grad():
        found = scored(policy, how=attending.Packing(way="flex"))
        torch.testing.assert_close(found, scored(policy, how=PADDED), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", PACKS.values(), ids=PACKS.keys())
def test_these_models_pack(config: Any) -> None:
    policy = policy_of(config)
    assert not policy.packing.problem
    found = gradients(policy)
    torch.testing.assert_close(found, gradients(policy, how=PADDED), atol=1e-5 * found.abs().max().item(), rtol=1e-4)


@pytest.mark.parametrize("config", DOES_NOT.values(), ids=DOES_NOT.keys())
def test_these_models_are_padded_and_attend_as_before(config: Any) -> None:
    policy = policy_of(config)
    before = policy.model.config._attn_implementation
    with pytest.warns(UserWarning, match="Batches are padded"):
        assert policy.packing.problem
    assert policy.model.config._attn_implementation == before
    with torch.no_grad():
        alone = policy.model(input_ids=torch.tensor([rows()[1].ids])).logits[0, 3:-1].log_softmax(1)
        wanted = alone[torch.arange(5), rows()[1].ids[4:]]
        torch.testing.assert_close(scored(policy)[1], wanted, atol=1e-5, rtol=1e-5)


def test_trying_leaves_no_trace() -> None:
    policy = policy_of(PACKS["Qwen2"])
    policy.model.train()
    before = torch.get_rng_state()
    assert not policy.packing.problem
    assert policy.model.training
    assert torch.get_rng_state().equal(before)
    assert all(each.grad is None for each in policy.model.parameters())


def test_recomputed_activations_change_nothing() -> None:
    """They are computed again in the backward pass, when the layout is no longer at hand but in their arguments."""
    policy = policy_of(PACKS["Qwen2"])
    assert not policy.packing.problem
    wanted = gradients(policy)
    policy.model.train()
    policy.model.gradient_checkpointing_enable()
    torch.testing.assert_close(gradients(policy), wanted)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_bfloat16_differs_by_its_rounding_alone(make: Callable[..., rundir.RunDir], lora_rank: int) -> None:
    policy = models.for_training(asked=make(method="kto", dtype="bfloat16", lora_rank=lora_rank).read_spec())
    assert not policy.packing.problem
    found, wanted = gradients(policy), gradients(policy, how=PADDED)
    assert (found - wanted).norm() < 0.05 * wanted.norm()


def test_a_model_that_packs_samples_as_before(make: Callable[..., rundir.RunDir]) -> None:
    policy = models.load(asked=make(method="kto").read_spec())
    settings = generation.Settings(temperature=1.0, top_p=1.0, max_new_tokens=8)

    def sample() -> list[generation.Completion]:
        prompts = [PROMPT, OTHER]
        return generation.complete(policy=policy, prompts=prompts, settings=settings, seed="x", check=lambda: None)

    before = sample()
    assert not policy.packing.problem
    assert sample() == before


def test_a_checkpoint_does_not_name_the_attention_it_was_trained_with(
    make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job]
) -> None:
    place = make(method="kto")
    policy = models.load(asked=place.read_spec())
    assert not policy.packing.problem
    saving.save(job=job_of(place), policy=policy, steps_taken=1)
    written = json.loads((Path(place.checkpoint) / "config.json").read_text())
    assert attending.NAME not in written.values()


def test_a_run_says_once_why_its_batches_are_padded(
    make: Callable[..., rundir.RunDir], job_of: Callable[[rundir.RunDir], job.Job]
) -> None:
    place = make(method="kto", max_length=64)
    windowed = policy_of(transformers.MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=48))
    bloom = policy_of(DOES_NOT["biases by distance"])
    with pytest.warns(UserWarning, match="Batches are padded"):
        for policy in (windowed, windowed, bloom):
            policy.tell(job_of(place))
    told = [event["reason"] for event in test_recipes.events(place, "no_packing")]
    assert told == [
        "its tokens look back 48 at most: batches with a longer row are padded",
        "its attention is eager, not sdpa",
    ]
