"""What a run's `sampling` may say: which prompts, how many, and how the completions are drawn."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from annotate import errors
from training_bridge.formats import spec

PURPOSES = ("annotate", "evaluate")
# name: (smallest, greatest) - both included
RANGES: dict[str, tuple[float, float]] = {
    "count": (0, 1_000_000),
    "per_prompt": (1, 64),
    "temperature": (0.0, 10.0),
    "top_p": (0.01, 1.0),
    "max_new_tokens": (1, 32_768),
    "seed": (0, 2**32 - 1),
}


class BadSampling(errors.RuleError):
    """A field of the sampling settings cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`prompt_batch` None: the prompts of the campaign's own outputs. `count` 0: no sampling at all."""

    prompt_batch: int | None = None
    count: int = 50
    per_prompt: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    seed: int = 0
    purpose: str = "annotate"
    engine: str = "transformers"

    def to_spec(self) -> spec.Sampling | None:
        if self.count == 0:
            return None
        return spec.Sampling(
            per_prompt=self.per_prompt,
            temperature=self.temperature,
            top_p=self.top_p,
            max_new_tokens=self.max_new_tokens,
            seed=self.seed,
            engine=self.engine,
        )


def parse(values: dict[str, Any]) -> Choice:
    """Check a dictionary. Raises BadSampling naming the field; a missing field has its default."""
    known = {each.name: each for each in dataclasses.fields(Choice)}
    for name, value in values.items():
        if name not in known:
            raise BadSampling(f"Sampling has no field {name!r}; it has {', '.join(known)}.", field=name)
        if name in RANGES:
            _check_number(name, value, is_whole=str(known[name].type) == "int")
    choice = Choice(**values)
    if choice.purpose not in PURPOSES:
        raise BadSampling(f"The purpose may be {' or '.join(PURPOSES)}, not {choice.purpose!r}.", field="purpose")
    if choice.engine not in spec.ENGINES:
        raise BadSampling(f"The engine may be {' or '.join(spec.ENGINES)}, not {choice.engine!r}.", field="engine")
    if choice.prompt_batch is not None and (
        isinstance(choice.prompt_batch, bool) or type(choice.prompt_batch) is not int
    ):
        raise BadSampling("The prompt batch is given by its number.", field="prompt_batch")
    return choice


def _check_number(name: str, value: Any, *, is_whole: bool) -> None:
    low, high = RANGES[name]
    allowed: tuple[type, ...] = (int,) if is_whole else (int, float)
    is_number = isinstance(value, allowed) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        kind = "a whole number" if is_whole else "a number"
        raise BadSampling(f"{name} is {value!r}; give {kind} from {low:g} to {high:g}.", field=name)
