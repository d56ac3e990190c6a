"""Gradient ascent and its guard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import transformers
from torch import Tensor

from training_bridge.trainer import chunked, divergence, logprobs, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.claims.chunked import SHAPE
from training_bridge.trainer.conformance.oracles import gradient_ascent as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import gradient_ascent

ROWS = [
    ([-1.0, -3.0, -0.5], [1.0, 1.0, 1.0]),
    ([-2.0, -0.25, -7.0], [0.5, 2.0, 0.0]),
    ([-400.0, -900.0, 0.0], [1.0, 1.0, 0.0]),
]
POSITIONS = [
    ([0.0, 2.0, -1.0, 0.5], [1.0, 1.0, -3.0, 0.0]),
    ([9.0, -9.0, 0.0, 3.0], [-9.0, 9.0, 3.0, 0.0]),
    ([1000.0, 0.0, -1000.0, 990.0], [0.0, 1000.0, 10.0, -1000.0]),
]


def doubles(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


@claim("gradient_ascent")
def equals_the_formula() -> None:
    """Values and gradients are those of the weighted mean log-prob, which the step lowers."""
    logprobs = doubles([spoken for spoken, _ in ROWS]).requires_grad_()
    losses = gradient_ascent.loss(logprobs=logprobs, mask=doubles([weights for _, weights in ROWS]))
    gradients = torch.autograd.grad(losses.sum(), logprobs)[0]
    for row, (spoken, weights) in enumerate(ROWS):
        assert_close(losses[row], oracle.loss(logprobs=spoken, weights=weights), within=1e-12)
        assert_close(gradients[row], oracle.gradient(weights=weights), within=1e-12)


@claim("gradient_ascent")
def never_lets_go() -> None:
    """The push on a token is the same at log-prob -1000 as at -0.001: nothing but a guard ends it."""
    logprobs = doubles([[-0.001, -1.0], [-1000.0, -999.0]]).requires_grad_()
    losses = gradient_ascent.loss(logprobs=logprobs, mask=torch.ones_like(logprobs))
    near, far = torch.autograd.grad(losses.sum(), logprobs)[0]
    assert_close(near, [0.5, 0.5], within=1e-12)
    assert_close(far, near, within=0)


@claim("gradient_ascent")
def no_weight_no_gradient() -> None:
    """A row whose weights are all 0 has the loss 0 and no gradient."""
    logprobs = torch.tensor([[-1.0, -3.0]], requires_grad=True)
    losses = gradient_ascent.loss(logprobs=logprobs, mask=torch.zeros(1, 2))
    assert_close(losses, [0.0], within=0)
    assert_close(torch.autograd.grad(losses.sum(), logprobs)[0], [0.0, 0.0], within=0)


@claim("gradient_ascent")
def divergence_equals_the_formula() -> None:
    """The guard is sum_v pi_ref log(pi_ref / pi), its gradient by the policy's logits pi - pi_ref, also far out."""
    logits = doubles([policy for policy, _ in POSITIONS]).requires_grad_()
    found = gradient_ascent.divergence(logits=logits, references=doubles([reference for _, reference in POSITIONS]))
    gradients = torch.autograd.grad(found.sum(), logits)[0]
    for row, (policy, reference) in enumerate(POSITIONS):
        assert_close(found[row], oracle.divergence(logits=policy, references=reference), within=1e-12)
        assert_close(gradients[row], oracle.divergence_gradient(logits=policy, references=reference), within=1e-12)


@claim("gradient_ascent")
def divergence_starts_at_zero() -> None:
    """Where the policy is the reference, up to a shift of its logits, the guard is 0 and pushes nowhere."""
    references = doubles([reference for _, reference in POSITIONS])
    logits = (references + 7).requires_grad_()
    found = gradient_ascent.divergence(logits=logits, references=references)
    assert_close(found, [0.0, 0.0, 0.0], within=1e-12)
    assert_close(torch.autograd.grad(found.sum(), logits)[0], [0.0] * references.numel(), within=1e-12)


@claim("gradient_ascent")
def divergence_leaves_the_reference() -> None:
    """No gradient reaches the reference's logits, even where they ask for one."""
    logits, references = (torch.zeros(1, 3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    shift = doubles([[0.0, 1.0, 2.0]])
    found = gradient_ascent.divergence(logits=logits, references=references + shift).sum()
    _, by_references = torch.autograd.grad(found, (logits, references), allow_unused=True, materialize_grads=True)
    assert_close(by_references, [0.0, 0.0, 0.0], within=0)


@claim("gradient_ascent")
def divergence_in_chunks_equals_the_whole_logits() -> None:
    """Divergences from kept hidden states, and the gradients of all weights, are those of two models' whole logits."""
    items = toys.items(9, seed=3)
    configs: list[Any] = [
        transformers.LlamaConfig(**SHAPE),
        transformers.LlamaConfig(**SHAPE, tie_word_embeddings=True),
        transformers.Gemma2Config(**SHAPE, head_dim=16, final_logit_softcapping=3.0),
    ]
    for config in configs:
        starting, policy = (_policy(config, seed=seed) for seed in (0, 1))
        with toys.run(method="gradient_ascent") as asked:
            kept = divergence.of(job=asked, policy=starting, items=items)
        with _small_chunks():
            found = divergence.of_positions(
                policy=policy, hidden=logprobs.hidden(policy, items), starting=kept, states=kept.states
            )
            gradients = _gradients(policy, found)
        whole = gradient_ascent.divergence(logits=_logits(policy, items), references=_logits(starting, items))
        assert_close(found, whole, within=1e-12)
        wanted = _gradients(policy, whole)
        assert gradients.keys() == wanted.keys()
        for name, each in wanted.items():
            assert_close(gradients[name], each, within=1e-11)


@claim("gradient_ascent")
def divergence_stays_with_the_starting_model() -> None:
    """The starting model is what the policy was when its hidden states were kept, and so is its head."""
    items = toys.items(3, seed=4)
    policy, before = (_policy(transformers.LlamaConfig(**SHAPE), seed=0) for _ in range(2))
    with toys.run(method="gradient_ascent") as asked:
        kept = divergence.of(job=asked, policy=policy, items=items)
    with torch.no_grad():
        for each in policy.trainable().values():
            each.mul_(1.5)
        found = divergence.of_positions(
            policy=policy, hidden=logprobs.hidden(policy, items), starting=kept, states=kept.states
        )
        whole = gradient_ascent.divergence(logits=_logits(policy, items), references=_logits(before, items))
    assert whole.min() > 0.01
    assert_close(found, whole, within=1e-12)


def _policy(config: Any, *, seed: int) -> models.Policy:
    """Random weights in float64, so that only a wrong formula can make a difference."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    return models.Policy(model=model.double().eval(), tokenizer=None, device=torch.device("cpu"), dtype=torch.float32)


def _logits(policy: models.Policy, items: list[Any]) -> Tensor:
    laid = policy.packing.layout(items, device=policy.device)
    return policy.logits(laid).flatten(0, 1).index_select(0, laid.where)


@contextlib.contextmanager
def _small_chunks() -> Iterator[None]:
    """Chunks of 16 positions, so that the rows here fill several, the last of them not wholly."""
    before = chunked.CHUNK_BYTES["cpu"]
    chunked.CHUNK_BYTES["cpu"] = 1
    try:
        yield
    finally:
        chunked.CHUNK_BYTES["cpu"] = before


def _gradients(policy: models.Policy, found: Tensor) -> dict[str, Tensor]:
    """Of a sum that weighs every position otherwise."""
    policy.model.zero_grad(set_to_none=True)
    (found * torch.linspace(-1, 2, len(found), dtype=found.dtype)).sum().backward()  # type: ignore[no-untyped-call]
    return {name: each.grad for name, each in policy.trainable().items() if each.grad is not None}
