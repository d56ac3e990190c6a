"""Packed lines and shared prompts."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import attending, data, job, logprobs, loop, models, packing
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.recipes import d2o, kto

WITHIN = 1e-5  # float32: sums are taken in another order


@claim("packing")
def packed_equals_padded() -> None:
    """Log-probs, entropies and gradients of all weights are those of padded rows; positions relative or absolute."""
    for policy in (toys.policy(seed=1), _absolute()):
        _assert_same(policy, _rows())


@claim("packing")
def a_line_for_flex_attention_equals_padded() -> None:
    """So they are in one line under the mask that FlexAttention is handed as a function, here written out."""
    for policy in (toys.policy(seed=1), _absolute()):
        _assert_same(policy, _rows(), packed=_Dense())


@claim("packing")
def packed_equals_padded_under_lora() -> None:
    """So are the gradients of a LoRA adapter in the middle of training, the base frozen."""
    policy = models.with_lora(toys.policy(seed=1), settings=spec.Hyperparameters(lora_rank=2))
    chance = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for each in policy.trainable().values():
            each.add_(torch.randn(each.shape, generator=chance) * 0.3)
    _assert_same(policy, _rows())


@claim("packing")
def d2o_shared_equals_unshared() -> None:
    """D2O with K = 8: loss, parts and gradients with each prompt computed once are those of 9 rows for each prompt."""
    rows = [
        d2o.Row(rejected=rejected, anchors=said, weight=1 + number / 2)
        for number, (rejected, *said) in enumerate(_scored(_tree(9, prompt=20, seed=seed)) for seed in (1, 2))
    ]

    def loss(asked: job.Job, policy: models.Policy) -> loop.Loss:
        return d2o.loss(asked, policy, rows, loop.Step(number=0, rows=rows, own=rows))

    _assert_same_loss(loss, method="d2o", anchors=8, retain_weight=0.5)


@claim("packing")
def kto_packed_equals_padded() -> None:
    """KTO with KL: z, loss, parts and gradients with rows and mismatched pairs packed are those of padded batches."""
    items, pairs = _scored(_rows()), _scored(_pairs(_rows()))
    rows = [
        kto.Row(item=item, is_desirable=number % 3 == 0, mismatched=pair)
        for number, (item, pair) in enumerate(zip(items, pairs, strict=True))
    ]

    def loss(asked: job.Job, policy: models.Policy) -> loop.Loss:
        return kto.loss(asked, policy, rows, loop.Step(number=0, rows=rows, own=rows))

    _assert_same_loss(loss, method="kto", batch_size=len(rows))


@claim("packing")
def pairs_stay_mismatched() -> None:
    """A row and its mismatched pair stand on one prompt, and each is scored with its own completion as if alone."""
    policy, rows = toys.policy(seed=1), _rows()
    pairs = _pairs(rows)
    with torch.no_grad():
        found = logprobs.of_tokens(_packed(policy), logprobs.collate([*rows, *pairs], device=policy.device))
        for item, row in zip([*rows, *pairs], found, strict=True):
            logits = policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1]
            wanted = logits.log_softmax(1)[torch.arange(item.length), item.ids[item.prompt_length :]]
            assert_close(row[: item.length], wanted, within=WITHIN)


@claim("packing")
def a_window_is_respected() -> None:
    """Where tokens look back 32 tokens at most, more than are tried, longer rows are what they are alone."""
    config = transformers.MistralConfig(
        **{**toys.policy(seed=0).model.config.to_dict(), "model_type": "mistral", "sliding_window": 32}
    )
    policy = _of(transformers.MistralForCausalLM(config))
    _assert_same(policy, _rows(), packed=policy.packing)


@claim("packing")
def a_model_that_cannot_pack_is_padded() -> None:
    """A model that counts positions from the start of the line is found out when packing is tried."""
    policy = _absolute()
    forward = policy.model.forward

    def deaf(position_ids: Any = None, **given: Any) -> Any:
        return forward(**given)

    policy.model.forward = deaf
    _assert_same(policy, _rows(), packed=policy.packing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Dense(attending.Packing):
    """FlexAttention's line as one block, with all that its function says written out."""

    def layout(self, items: Sequence[data.Encoded], *, device: torch.device) -> packing.Layout:
        size = packing.tokens(items) + 7
        laid = packing.in_line(items, device=device, length=size)
        assert laid.forest is not None
        query, key = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
        seen = laid.forest.sees()(None, None, query, key)
        return dataclasses.replace(laid, blocks=(packing.Block(start=0, count=1, length=size, seen=seen[None, None]),))


def _of(model: Any) -> models.Policy:
    return models.Policy(model=model.eval(), tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)


def _absolute() -> models.Policy:
    """A GPT-2: its positions are absolute, so one that starts elsewhere is another sequence."""
    config = transformers.GPT2Config(
        vocab_size=toys.VOCABULARY,
        n_embd=32,
        n_layer=2,
        n_head=2,
        n_positions=1024,
        initializer_range=0.3,
        resid_pdrop=0,
        embd_pdrop=0,
        attn_pdrop=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return _of(transformers.GPT2LMHeadModel(config))


def _drawn(count: int, chance: random.Random) -> list[int]:
    return [chance.randrange(2, toys.VOCABULARY) for _ in range(count)]


def _tree(count: int, *, prompt: int, seed: int) -> list[data.Encoded]:
    """Rows of one prompt; the first completion is one token."""
    chance = random.Random(seed)
    ids = _drawn(prompt, chance)
    lengths = [1, *(chance.randint(2, 14) for _ in range(count - 1))]
    return [data.Encoded(ids=ids + _drawn(length, chance), prompt_length=prompt) for length in lengths]


def _rows() -> list[data.Encoded]:
    """Two trees whose prompts stand in one block, a third, and rows alone; no tree's rows are neighbours."""
    trees = [_tree(3, prompt=20, seed=1), _tree(3, prompt=18, seed=2), _tree(2, prompt=30, seed=3)]
    return [each for row in zip(toys.items(3, seed=4), *(tree * 2 for tree in trees), strict=False) for each in row]


def _pairs(rows: Sequence[data.Encoded]) -> list[data.Encoded]:
    """Each row's prompt with the completion of the one before."""
    return [
        data.Encoded(
            ids=row.ids[: row.prompt_length] + rows[number - 1].ids[rows[number - 1].prompt_length :],
            prompt_length=row.prompt_length,
        )
        for number, row in enumerate(rows)
    ]


def _scored(items: list[data.Encoded]) -> list[data.Encoded]:
    starting = _padded(toys.policy(seed=0))
    toys.score(starting, items)
    return items


def _packed(policy: models.Policy, how: attending.Packing | None = None) -> models.Policy:
    """The policy packing its batches, whatever trying it would say."""
    policy.model.set_attn_implementation(attending.NAME)
    return _that(policy, how or attending.Packing(way="blocks"))


def _padded(policy: models.Policy) -> models.Policy:
    return _that(policy, attending.Packing(problem="not asked for"))


def _that(policy: models.Policy, how: attending.Packing) -> models.Policy:
    other = dataclasses.replace(policy)
    vars(other)["packing"] = how
    return other


def _assert_same(
    policy: models.Policy, items: Sequence[data.Encoded], *, packed: attending.Packing | None = None
) -> None:
    """Compare what is said of every token and all gradients of a sum that weighs every token otherwise."""
    found = []
    for each in (_packed(policy, packed), _padded(policy)):
        said, entropies = logprobs.with_entropy(each, logprobs.collate(items, device=policy.device))
        weights = torch.linspace(-1, 2, said.numel()).view(said.shape)
        found.append((said, entropies, _gradients(policy, (said * weights).sum())))
    (said, entropies, gradients), wanted = found
    assert_close(said, wanted[0], within=WITHIN)
    assert_close(entropies, wanted[1], within=WITHIN)
    toys.assert_same_gradients(gradients, wanted[2], within=WITHIN)


def _assert_same_loss(loss: Callable[[job.Job, models.Policy], loop.Loss], **asked: Any) -> None:
    policy = toys.policy(seed=1)
    with toys.run(**asked) as run:
        found, wanted = (loss(run, each) for each in (_packed(policy), _padded(policy)))
    assert_close(found.value, wanted.value, within=WITHIN)
    assert found.parts.keys() == wanted.parts.keys()
    for name, each in wanted.parts.items():
        assert_close(found.parts[name], each, within=WITHIN)
    toys.assert_same_gradients(_gradients(policy, found.value), _gradients(policy, wanted.value), within=WITHIN)


def _gradients(policy: models.Policy, value: Tensor) -> Tensor:
    """Of all that is trained, in a line."""
    found = torch.autograd.grad(value, list(policy.trainable().values()))
    return torch.cat([each.reshape(-1) for each in found])
