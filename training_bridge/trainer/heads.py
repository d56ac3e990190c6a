"""A model's head: the linear layer that makes logits, and what some models do to them afterwards.

Log-probs of chosen positions apply the head themselves (chunked.py), so they must know all of it. Nothing is believed
from the name of an architecture: the head's output is replaced once by known numbers, and what the model makes of them
must be what we would make of them. Where it is not, `problem` says so and whole logits are computed by the model.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# Names in the configurations of transformers 5, as of Gemma; of Cohere, Granite (divides), HyperCLOVA X (multiplies).
CAPS = ("final_logit_softcapping", "softcap", "output_logit_soft_cap", "logits_soft_cap")
FACTORS = ("logit_scale", "output_multiplier", "logits_scaling", "logits_mup_width_multiplier")
TOKENS = 3
LARGEST = 1000.0


@dataclass(frozen=True, kw_only=True)
class Head:
    """logits = cap tanh(factor (W h + b) / cap); a cap of 0 is none. Unusable where `problem` is not empty."""

    linear: Any = None
    factor: float = 1.0
    cap: float = 0.0
    problem: str = ""

    def finish(self, raw: Tensor) -> Tensor:
        """Turn what the linear layer says into logits, in place."""
        if self.factor != 1:
            raw.mul_(self.factor)
        return raw.div_(self.cap).tanh_().mul_(self.cap) if self.cap else raw

    def slope(self, logits: Tensor) -> Tensor | float:
        """How fast the logits follow the linear layer: d finish / d raw at these logits."""
        return (1 - (logits / self.cap) ** 2) * self.factor if self.cap else self.factor


@contextlib.contextmanager
def hidden_only(linear: torch.nn.Module) -> Iterator[list[Tensor]]:
    """While it lasts, keep what the head is handed, (rows, length, width), and hand it on without its positions."""
    kept: list[Tensor] = []

    def take(_: Any, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        kept.append(arguments[0])
        return (arguments[0][:, :0],)

    hook = linear.register_forward_pre_hook(take)
    try:
        yield kept
    finally:
        hook.remove()


def of(model: Any, *, device: torch.device, under: Callable[[], contextlib.AbstractContextManager[Any]]) -> Head:
    """Find the head and try it on a few tokens, `under` the precision of the run. Draws no random numbers."""
    linear = model.get_output_embeddings()
    if type(linear) is not torch.nn.Linear:
        return Head(problem=f"its head is a {type(linear).__name__}, not a linear layer")
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad(), under():
            return _tried(model, linear, torch.zeros((1, TOKENS), dtype=torch.long, device=device))
    except (RuntimeError, IndexError, ValueError) as error:
        return Head(problem=f"its head could not be tried: {error}")
    finally:
        model.train(was_training)


def _tried(model: Any, linear: torch.nn.Linear, ids: Tensor) -> Head:
    handed: list[Tensor] = []
    known = torch.linspace(-LARGEST, LARGEST, TOKENS * linear.out_features, device=ids.device)
    known = known.view(1, TOKENS, linear.out_features)

    def replace(_: Any, arguments: tuple[Tensor, ...], __: Tensor) -> Tensor:
        handed.append(arguments[0])
        return known.clone()

    hook = linear.register_forward_hook(replace)
    try:
        made = model(input_ids=ids, use_cache=False).logits.float()
    finally:
        hook.remove()
    if len(handed) != 1 or handed[0].shape != (1, TOKENS, linear.in_features):
        return Head(problem="its head is not applied once to every position")
    with hidden_only(linear) as kept:
        model(input_ids=ids, use_cache=False)
    if not torch.equal(kept[0], handed[0]):
        return Head(problem="its hidden states are not the same twice")
    for factor, cap in itertools.product(_factors(model.config), _caps(model.config)):
        head = Head(linear=linear, factor=factor, cap=cap)
        if made.shape == known.shape and torch.allclose(made, head.finish(known.clone()), rtol=1e-5, atol=1e-6):
            return head
    return Head(problem="it changes its logits behind the head in a way that is not known here")


def _factors(config: Any) -> list[float]:
    found = _numbers(config, FACTORS)
    return [1.0, *found, *(1 / each for each in found)]


def _caps(config: Any) -> list[float]:
    return [0.0, *_numbers(config, CAPS)]


def _numbers(config: Any, names: tuple[str, ...]) -> list[float]:
    """Positive numbers under these names, here or in the configuration of a composed model's text part."""
    places = {id(each): each for each in (config, config.get_text_config())}.values()
    values = [getattr(place, name, None) for place in places for name in names]
    return [float(each) for each in values if isinstance(each, (int, float)) and each > 0]
