"""What a run is asked to do: written by the web half as spec.json, read by the GPU half."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from training_bridge.formats import manifest

T = TypeVar("T")

METHODS = ("kto", "d2o", "pretrain")


class BadSpec(ValueError):
    """The spec cannot be run. The message names the field and what it may be."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The starting weights: a folder or Hugging Face name, with an adapter to merge in first where there is one.

    For `pretrain`, `location` is a folder with config.json and a tokenizer, and weights are initialised afresh.
    """

    location: str
    adapter: str = ""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Everything that changes the weights. Unknown names are refused, so a typing error is never ignored."""

    learning_rate: float = 1e-5
    max_steps: int = 100
    batch_size: int = 8
    gradient_accumulation: int = 1
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 1024
    seed: int = 0
    beta: float = 0.1
    alpha: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    span_mask: bool = True
    retain_weight: float = 0.0
    anchors: int = 4
    anchor_temperature: float = 0.8
    anchor_top_p: float = 0.9
    anchor_max_new_tokens: int = 256
    lora_rank: int = 0
    lora_alpha: int = 16
    save_every: int = 50
    device: str = "auto"
    dtype: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Completions to draw from the new checkpoint for every prompt of data/prompts.jsonl."""

    per_prompt: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    batch_size: int = 32
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run. `checkpoint_name` is what the outputs' `model` field will say."""

    method: str
    base: Base
    checkpoint_name: str
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    sampling: Sampling | None = None
    run_id: int | None = None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    def write(self, path: Path) -> None:
        manifest.write_atomically(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build and check a spec. Raises BadSpec for a missing, unknown or ill-typed field."""
        values = dict(values)
        if values.get("method") not in METHODS:
            raise BadSpec(f"method is {values.get('method')!r}; it may be one of {', '.join(METHODS)}")
        values["base"] = _build(Base, values.get("base"), "base")
        values["hyperparameters"] = hyperparameters(values.get("hyperparameters") or {})
        sampling = values.get("sampling")
        values["sampling"] = None if sampling is None else _build(Sampling, sampling, "sampling")
        return _build(cls, values, "spec")


def hyperparameters(values: dict[str, Any]) -> Hyperparameters:
    """Check a dictionary of hyperparameters against the known names and types. Raises BadSpec."""
    return _build(Hyperparameters, values, "hyperparameters")


def _build(kind: type[T], values: Any, place: str) -> T:
    if not isinstance(values, dict):
        raise BadSpec(f"{place} is missing or not an object")
    known = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise BadSpec(f"{place}: unknown field {name!r}; known are {', '.join(sorted(known))}")
        _check_type(value, str(known[name].type), f"{place}.{name}")
    try:
        return kind(**values)
    except TypeError as error:
        raise BadSpec(f"{place}: {error}") from error


def _check_type(value: Any, type_name: str, place: str) -> None:
    wanted = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}.get(type_name)
    if wanted is None:
        return
    if not isinstance(value, wanted) or (isinstance(value, bool) and type_name != "bool"):
        raise BadSpec(f"{place} is {value!r}; expected {type_name}")
