"""BNF."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import data, loop, models
from training_bridge.trainer.conformance import toys
from training_bridge.trainer.conformance.oracles import bnf as oracle
from training_bridge.trainer.conformance.registry import assert_close, claim
from training_bridge.trainer.losses import bnf
from training_bridge.trainer.recipes import bnf as recipe
from training_bridge.trainer.recipes import unpaired

LOGITS = [[0.5, -1.0, 2.0, 0.0], [3.0, 0.1, -2.0, 1.0], [-4.0, 0.7, 0.2, 0.3], [1.0, 1.0, -6.0, 1.5]]
TOKENS = [2, 1, 0, 3]
REFERENCES = [-1.5, -0.4, -0.9, -0.6]  # the policy is above the first, below the others

LABELS = [1.0, -1.0]
MASK = [[0.5, 1.0], [1.0, 2.0]]
LENGTHS = [2, 2]


def of_logits(logits: Tensor, *, tokens: list[int], references: Tensor) -> Tensor:
    """`of_tokens` (N,) of whole distributions (N, V)."""
    scores = logits.log_softmax(1)
    said = scores.gather(1, torch.tensor(tokens)[:, None]).squeeze(1)
    entropies = torch.special.entr(scores.detach().exp()).sum(1)
    return bnf.of_tokens(logprobs=said, entropies=entropies, references=references)


def both(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """`of_tokens` (N,) and its gradient by the logits (N, V)."""
    logits = torch.tensor(LOGITS, dtype=dtype, requires_grad=True)
    found = of_logits(logits, tokens=TOKENS, references=torch.tensor(REFERENCES, dtype=dtype))
    return found, torch.autograd.grad(found.sum(), logits)[0]


def target(place: int) -> list[float]:
    return oracle.target(logits=LOGITS[place], token=TOKENS[place], reference=REFERENCES[place])


@claim("bnf")
def equals_the_formula() -> None:
    """A token's value is the cross-entropy against its target, and its gradient that with the target held still."""
    found, gradients = both()
    for place, logits in enumerate(LOGITS):
        assert_close(found[place], oracle.crossed(logits=logits, towards=target(place)), within=1e-12)
        assert_close(gradients[place], oracle.gradient(logits=logits, towards=target(place)), within=1e-9)


@claim("bnf")
def logit_gradient_sums_to_zero() -> None:
    """The gradient by a token's logits, through the head in chunks, sums to 0: what one token loses the others get."""
    policy, items = _policy(seed=1), _scored(2)
    policy.model.lm_head.bias = torch.nn.Parameter(torch.zeros(toys.VOCABULARY, dtype=torch.float64))
    value = _recipe(policy, [unpaired.Row(item=item, is_accepted=False) for item in items])
    value.backward()  # type: ignore[no-untyped-call]
    gradient = policy.model.lm_head.bias.grad  # of all positions together
    assert gradient.abs().max() > 0.01
    assert_close(gradient.sum(), 0.0, within=1e-12)


@claim("bnf")
def logit_gradient_of_a_row() -> None:
    """In a row's loss the gradient by a token's logits is label m (pi - target) / |y|."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    references = torch.tensor(REFERENCES, dtype=torch.float64)
    tokens = of_logits(logits, tokens=TOKENS, references=references).view(2, 2)
    labels, mask = torch.tensor(LABELS, dtype=torch.float64), torch.tensor(MASK, dtype=torch.float64)
    padding = torch.zeros(2, 3, dtype=torch.float64)
    found = bnf.loss(
        tokens=torch.cat([tokens, padding], 1),
        labels=labels,
        mask=torch.cat([mask, padding], 1),
        real=torch.cat([torch.ones_like(mask), padding], 1),
    )
    (gradients,) = torch.autograd.grad(found.sum(), logits)
    for place, each in enumerate(LOGITS):
        row, column = divmod(place, 2)
        scale = LABELS[row] * MASK[row][column] / LENGTHS[row]
        wanted = [scale * (pi - q) for pi, q in zip(oracle.softmax(each), target(place), strict=True)]
        assert_close(gradients[place], wanted, within=1e-12)


@claim("bnf")
def above_the_reference_is_the_nll() -> None:
    """Where the policy is at or above the reference f is 1 and the token's value and gradient are those of the NLL."""
    logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
    nll = -logits.log_softmax(1).gather(1, torch.tensor(TOKENS)[:, None]).squeeze(1)
    lower = torch.tensor([0.0, 0.1, 1.0, 30.0], dtype=torch.float64)
    found = of_logits(logits, tokens=TOKENS, references=-nll.detach() - lower)
    assert_close(found, nll, within=1e-12)
    ours, theirs = (torch.autograd.grad(each.sum(), logits)[0] for each in (found, nll))
    assert_close(ours, theirs, within=1e-12)


@claim("bnf")
def fades_far_below_the_reference() -> None:
    """Below the reference the push on a token's logit is pi/pi_ref - pi, down to a millionth of pi_ref, in float32."""
    for chance in (0.1, 1e-3, 1e-7):
        odds = math.log(chance / (1 - chance))
        logits = torch.tensor([[odds, 0.0]], requires_grad=True)
        found = of_logits(logits, tokens=[0], references=torch.tensor([0.1]).log())
        (gradients,) = torch.autograd.grad(found.sum(), logits)
        push = chance / 0.1 - chance
        assert_close(gradients / chance, [-push / chance, push / chance], within=1e-5)


@claim("bnf")
def survives_certainty_in_float32() -> None:
    """A token with probability 1 leaves value and gradient finite, wherever the reference stands."""
    logits = torch.tensor([[200.0, 0.0, -3.0]] * 3, requires_grad=True)
    found = of_logits(logits, tokens=[0, 0, 0], references=torch.tensor([0.0, -1e-7, -50.0]))
    (gradients,) = torch.autograd.grad(found.sum(), logits)
    assert_close(found, [0.0] * 3, within=1e-6)
    assert_close(gradients, [0.0] * 9, within=1e-6)


@claim("bnf")
def in_chunks_equals_the_whole_distributions() -> None:
    """The recipe's loss and the gradients of all weights are those of every token's whole distribution and target."""
    policy, items = _policy(seed=1), _scored(5)
    rows = [
        unpaired.Row(item=item, is_accepted=number % 3 == 0, weight=1 + number / 2) for number, item in enumerate(items)
    ]
    found = []
    for loss in (_recipe, _from_whole_logits):
        policy.model.zero_grad(set_to_none=True)
        value = loss(policy, rows)
        value.backward()  # type: ignore[no-untyped-call]
        gradients = [each.grad for each in policy.trainable().values() if each.grad is not None]
        found.append((value, torch.cat([each.reshape(-1) for each in gradients])))
    assert_close(found[0][0], found[1][0], within=1e-12)
    toys.assert_same_gradients(found[0][1], found[1][1], within=1e-6)  # the model's norms round to float32


def _policy(*, seed: int) -> models.Policy:
    """In float64, so that only a wrong formula can make a difference."""
    policy = toys.policy(seed=seed)
    policy.model.double()
    return policy


def _scored(count: int) -> list[data.Encoded]:
    found = toys.items(count, seed=7)
    toys.score(_policy(seed=0), found)
    return found


def _recipe(policy: models.Policy, rows: list[unpaired.Row]) -> Tensor:
    return recipe.loss(spec.Hyperparameters(), policy, rows, loop.Step(number=0, rows=rows, own=rows)).value


def _from_whole_logits(policy: models.Policy, rows: list[unpaired.Row]) -> Tensor:
    """One row at a time and every probability of every token, as the formula stands."""
    losses = []
    for row in rows:
        item, label = row.item, 1 if row.is_accepted else -1
        assert item.reference is not None
        said = torch.tensor(item.ids[item.prompt_length :])
        scores = policy.model(input_ids=torch.tensor([item.ids])).logits[0, item.prompt_length - 1 : -1].log_softmax(1)
        pi = scores.detach().exp()
        chosen = torch.nn.functional.one_hot(said, toys.VOCABULARY).double()
        p = (pi * chosen).sum(1, keepdim=True)
        kept = (p / item.reference.float().double().exp()[:, None]).clamp(max=1)  # it is kept in float32
        towards = chosen * kept + (1 - chosen) * (1 - kept) / (1 - p) * pi
        crossed = -(towards * scores).sum(1)
        mask = torch.tensor(item.mask or [1.0] * item.length)
        losses.append(row.weight * label * (mask * crossed).sum() / item.length)
    return torch.stack(losses).sum() / len(rows)
