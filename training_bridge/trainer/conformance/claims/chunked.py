"""Log-probs in chunks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch import Tensor

from training_bridge.trainer import chunked, logprobs, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim

SHAPE: dict[str, Any] = {
    "vocab_size": toys.VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}


@claim("chunked")
def equals_the_whole_logits() -> None:
    """Log-probs, entropies and the gradients of all weights are those of whole logits, chunks kept or recomputed."""
    policy = _policy(transformers.LlamaConfig(**SHAPE))
    for kept in (0, 15_000, 2**20):  # none, the first alone, all
        _compare(policy, kept=kept)


@claim("chunked")
def equals_the_whole_logits_of_a_tied_head() -> None:
    """So they are where head and embeddings are one tensor, and only the base is frozen under LoRA."""
    tied = _policy(transformers.LlamaConfig(**SHAPE, tie_word_embeddings=True))
    _compare(tied, kept=0)
    _compare(_adapted(tied), kept=0)


@claim("chunked")
def respects_what_follows_the_head() -> None:
    """Capped logits (Gemma 2) and scaled ones (Granite, Cohere) are capped and scaled in the chunks too."""
    for config in (
        transformers.Gemma2Config(**SHAPE, head_dim=16, final_logit_softcapping=3.0),
        transformers.GraniteConfig(**SHAPE, logits_scaling=4.0),
        transformers.CohereConfig(**SHAPE, logit_scale=0.5),
    ):
        policy = _policy(config)
        assert not policy.head.problem, policy.head.problem
        _compare(policy, kept=0)


@claim("chunked")
def spreads_as_the_whole_distributions_do() -> None:
    """The log-probs, entropies and top-k masses that a probe tells are those of the whole softmax, sorted."""
    policy = _policy(transformers.LlamaConfig(**SHAPE))
    items = toys.items(9, seed=3)
    with _chunks(kept=0):
        found = logprobs.spread(policy, items, top=5)
    wanted = []
    for item in items:
        with torch.no_grad():
            scores = (
                policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1].log_softmax(1)
            )
        for row, token in zip(scores, item.ids[item.prompt_length :], strict=True):
            wanted.append(
                [row[token], torch.special.entr(row.exp()).sum(), row.exp().sort(descending=True)[0][:5].sum()]
            )
    assert_close(found, torch.tensor(wanted, dtype=torch.float64).T, within=1e-12)


def _policy(config: Any) -> models.Policy:
    """Random weights in float64, so that only a wrong formula can make a difference."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: Any = transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return models.Policy(model=model.double().eval(), tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)


def _adapted(policy: models.Policy) -> models.Policy:
    """A LoRA adapter whose second factor is not 0, as in the middle of training."""
    import peft  # not at the top: it costs a second

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = peft.LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
        model = peft.get_peft_model(policy.model, config).double()
    return models.Policy(model=model, tokenizer=None, device=policy.device, dtype=policy.dtype, is_adapter=True)


def _compare(policy: models.Policy, *, kept: int) -> None:
    batch = logprobs.collate(toys.items(9, seed=3), device=policy.device)
    with _chunks(kept=kept):
        found = logprobs.with_entropy(policy, batch)
        gradients = _gradients(policy, found[0])
    whole = logprobs.from_whole_logits(policy, batch, has_entropy=True)
    for ours, theirs in zip(found, whole, strict=True):
        assert_close(ours, theirs, within=1e-12)
    wanted = _gradients(policy, whole[0])
    assert gradients.keys() == wanted.keys()
    for name, each in wanted.items():
        assert_close(gradients[name], each, within=1e-11)


@contextlib.contextmanager
def _chunks(*, kept: int) -> Iterator[None]:
    """Chunks of 16 positions, so that the rows here fill several, the last of them not wholly."""
    before = chunked.CHUNK_BYTES["cpu"], chunked.KEPT_BYTES["cpu"]
    chunked.CHUNK_BYTES["cpu"], chunked.KEPT_BYTES["cpu"] = 1, kept
    try:
        yield
    finally:
        chunked.CHUNK_BYTES["cpu"], chunked.KEPT_BYTES["cpu"] = before


def _gradients(policy: models.Policy, found: Tensor) -> dict[str, Tensor]:
    """Of a sum that weighs every position otherwise."""
    policy.model.zero_grad(set_to_none=True)
    weights = torch.linspace(-1, 2, found.numel(), dtype=found.dtype).view(found.shape)
    (found * weights).sum().backward()  # type: ignore[no-untyped-call]
    return {name: each.grad for name, each in policy.trainable().items() if each.grad is not None}
