"""What a run is asked to do: written by the web half as spec.json, read by the GPU half."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from training_bridge.formats import manifest
from training_bridge.formats.checks import declared

T = TypeVar("T")

# What each method's rows are: the formats of the dataset versions that it may train on, its usual one first.
ROWS = {
    "kto": ("kto",),
    "d2o": ("d2o",),
    "npo": ("kto",),
    "simnpo": ("kto",),
    "bnf": ("kto",),
    "gradient_ascent": ("kto",),
    "unlikelihood": ("kto",),
    "cut": ("kto",),
    "sft": ("kto", "pairs"),
    "dpo": ("pairs",),
    "orpo": ("pairs",),
}
FORMATS = tuple(dict.fromkeys(each for formats in ROWS.values() for each in formats))
# These draw their answers themselves: they train on prompts, without a dataset version, and judge by `checks`.
ON_POLICY = ("nsr", "w_reinforce")
METHODS = (*ROWS, *ON_POLICY, "pretrain", "sample")
ROW_WEIGHTS = ("none", "column", "constraints")
DTYPES = ("float32", "bfloat16")
SCHEDULES = ("linear", "constant")
LONG_ROWS = ("refuse", "drop", "truncate_left")
# What draws completions. vLLM is an optional extra of the trainer, for GPUs.
ENGINES = ("transformers", "vllm")


class BadSpec(ValueError):
    """The spec cannot be run. The message names the field and what it may be."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The starting weights: a folder or Hugging Face name, with an adapter to merge in first where there is one.

    For `pretrain`, `location` is a folder with config.json and a tokenizer, and weights are initialised afresh from
    the seed. For `sample`, nothing is trained: these weights answer the prompts.
    """

    location: str
    adapter: str = ""


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Everything that changes the weights. Unknown names are refused, so a typing error is never ignored.

    * `batch_size` is rows per forward pass; one optimizer step sees `batch_size * gradient_accumulation` rows.
    * `lr_schedule`: after `warmup_steps` of linear rise the rate falls linearly to 0 at `max_steps` (`linear`) or
      stays (`constant`).
    * `max_length` is in tokens, prompt and completion together; 0 is what the base can read. More than it can read is
      refused.
    * `long_rows` says what becomes of longer rows: `refuse` ends the run and says how many there are, `drop` leaves
      them out, `truncate_left` takes the beginning of their prompts (not the beginning-of-text token) and leaves out
      those whose completion alone does not fit. A completion is never cut. The counts are in the run's events and in
      the checkpoint's manifest.
    * `max_prompt_length`: a prompt of more tokens loses its beginning (not its beginning-of-text token), in training
      and in sampling alike; the run's events count them. 0 leaves prompts whole.
    * `span_mask`: a rejected row that has spans is penalised on the tokens inside them only.
    * `chosen_mask` (DPO, ORPO): of a chosen answer the tokens of the corrections alone are preferred.
    * `minor_weight`, `major_weight`, `critical_weight`: what a penalised token counts, by the severity of its span, or
      of the row where the whole answer is penalised.
    * `length_normalised` divides a row's token weights by their sum: its log-ratio becomes a mean, and a long answer
      counts no more than a short one.
    * `row_weights`: `column` multiplies each row's loss by its `weight`, `constraints` balances the constraints.
    * `beta` in ORPO is the weight of the odds, the paper's lambda.
    * `retain_weight` times the mean negative log-likelihood of the anchors (D2O), chosen answers (pairs) or accepted
      rows (all others) is added.
    * `gamma` is SimNPO's margin.
    * `mismatch_weight` and `divergence_weight` guard gradient ascent, whose loss counts 1: times the NLL of
      `mismatches` accepted answers to other prompts, drawn anew for each rejected row in every step, and times
      KL(starting model || policy) per token of accepted rows. Both 0 is gradient ascent without guards.
    * `cut_threshold`: CUT takes a token for wrong that the critique makes more than so many times as likely. Such a
      token counts `cut_alpha` times its probability under the critique to the power `cut_gamma`.
    * `anchor_constraints` (D2O): while the anchors are sampled, the model is told the spec's `constraints` in its
      system message (before a plain text); they are scored and trained without. `anchor_refresh`: after every so many
      steps they are sampled again, from the policy as it stands; 0 keeps those of the starting model. `anchor_engine`
      draws them.
    * `stop_below`: when the watched answers (accepted rows, or D2O's anchors) have fallen this many nats per token
      below their best look (the start is one), training stops and hands back the weights of that look; 0 goes on
      whatever they lose.
    * `hold_out`: this share of the prompts with good answers is held out with them, to be watched and not trained on;
      0 watches answers that are trained on. D2O watches its anchors and the on-policy methods the base's own right
      answers, whatever it is.
    * `probe_every`: the watched answers are looked at after every so many steps, and after the last; 0 is a tenth of
      `max_steps`.
    * `rollouts`: answers that the on-policy methods draw to each prompt, anew in every step, of at most
      `rollout_max_new_tokens` tokens. A row is a prompt there: a forward pass has `batch_size * rollouts` answers.
    * `right_weight` is W-REINFORCE's lambda: what an answer in which no check finds anything counts against a wrong
      one. NSR's is 0.
    * `lora_rank` 0 trains all weights. `dtype` bfloat16 computes under autocast; all weights that are trained stay
      float32.
    * `device` is auto, cpu, cuda or cuda:N. `save_every` 0 keeps no resumable states.
    """

    learning_rate: float = 1e-5
    max_steps: int = 100
    batch_size: int = 8
    gradient_accumulation: int = 1
    warmup_steps: int = 0
    lr_schedule: str = "linear"
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    max_length: int = 0
    max_prompt_length: int = 0
    long_rows: str = "refuse"
    seed: int = 0
    beta: float = 0.1
    alpha: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    gamma: float = 0.0
    mismatch_weight: float = 2.0
    mismatches: int = 5
    divergence_weight: float = 2.0
    cut_threshold: float = 1.1
    cut_alpha: float = 1.0
    cut_gamma: float = 1.0
    span_mask: bool = True
    chosen_mask: bool = False
    minor_weight: float = 1.0
    major_weight: float = 1.0
    critical_weight: float = 1.0
    length_normalised: bool = False
    row_weights: str = "none"
    retain_weight: float = 0.0
    stop_below: float = 0.0
    hold_out: float = 0.0
    probe_every: int = 0
    anchors: int = 4
    anchor_temperature: float = 0.8
    anchor_top_p: float = 0.9
    anchor_max_new_tokens: int = 256
    anchor_constraints: bool = False
    anchor_refresh: int = 0
    anchor_engine: str = "transformers"
    rollouts: int = 8
    rollout_max_new_tokens: int = 256
    right_weight: float = 0.1
    lora_rank: int = 0
    lora_alpha: int = 16
    save_every: int = 50
    device: str = "auto"
    dtype: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Completions to draw from the new checkpoint for every prompt of data/prompts.jsonl.

    `temperature` 0 is greedy; otherwise tokens are drawn from the `top_p` nucleus. Same seed, same prompts, same batch
    size on a CPU: same outputs. `batch_size` is for the engine `transformers`; vLLM makes its own batches.
    """

    per_prompt: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    batch_size: int = 32
    seed: int = 0
    engine: str = "transformers"


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run. `checkpoint_name` is what the outputs' `model` field will say; their ids begin with it.

    `checks` say what is right for the on-policy methods; formats/checks/declared.py reads them. `constraints` are the
    statements that D2O's model is told while it samples anchors, where `anchor_constraints` asks for it.
    """

    method: str
    base: Base
    checkpoint_name: str
    hyperparameters: Hyperparameters = field(default_factory=Hyperparameters)
    sampling: Sampling | None = None
    checks: tuple[dict[str, Any], ...] = ()
    constraints: tuple[str, ...] = ()
    run_id: int | None = None

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + "\n"

    def write(self, path: Path) -> None:
        manifest.write_atomically(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check spec.json. Raises BadSpec, also when the file is missing or is not JSON."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise BadSpec(f"{path.name} is missing") from error
        except ValueError as error:
            raise BadSpec(f"{path.name} is not valid JSON: {error}") from error
        if not isinstance(values, dict):
            raise BadSpec(f"{path.name} is not a JSON object")
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build and check a spec. Raises BadSpec for a missing, unknown, ill-typed or out-of-range field."""
        values = dict(values)
        _check_choice(values.get("method"), METHODS, "method")
        values["base"] = _build(Base, values.get("base"), "base")
        values["hyperparameters"] = hyperparameters(values.get("hyperparameters") or {})
        asked = values.get("sampling")
        values["sampling"] = None if asked is None else sampling(asked)
        values["checks"] = checks(values.get("checks") or [])
        values["constraints"] = _statements(values.get("constraints") or [])
        return _build(cls, values, "spec")


def hyperparameters(values: dict[str, Any]) -> Hyperparameters:
    """Check a dictionary of hyperparameters against the known names, types and ranges. Raises BadSpec."""
    built = _build(Hyperparameters, values, "hyperparameters")
    _check_ranges(built, HYPERPARAMETER_RANGES, "hyperparameters")
    _check_choice(built.dtype, DTYPES, "hyperparameters.dtype")
    _check_choice(built.lr_schedule, SCHEDULES, "hyperparameters.lr_schedule")
    _check_choice(built.long_rows, LONG_ROWS, "hyperparameters.long_rows")
    _check_choice(built.row_weights, ROW_WEIGHTS, "hyperparameters.row_weights")
    _check_choice(built.anchor_engine, ENGINES, "hyperparameters.anchor_engine")
    return built


def sampling(values: dict[str, Any]) -> Sampling:
    """Check a dictionary of sampling settings against the known names, types and ranges. Raises BadSpec."""
    built = _build(Sampling, values, "sampling")
    _check_ranges(built, SAMPLING_RANGES, "sampling")
    _check_choice(built.engine, ENGINES, "sampling.engine")
    return built


def checks(values: Any) -> tuple[dict[str, Any], ...]:
    """Check a list of declared checks. Raises BadSpec with a sentence that says which one is wrong and why."""
    if not isinstance(values, list | tuple):
        raise BadSpec("checks is not a list")
    try:
        declared.read(values)
    except ValueError as error:
        raise BadSpec(f"checks: {error}") from error
    return tuple(dict(each) for each in values)


# Smallest and largest allowed value; None is no bound.
Range = tuple[float | None, float | None]

HYPERPARAMETER_RANGES: dict[str, Range] = {
    "learning_rate": (0, 10),
    "max_steps": (1, None),
    "batch_size": (1, None),
    "gradient_accumulation": (1, None),
    "warmup_steps": (0, None),
    "weight_decay": (0, None),
    "max_grad_norm": (0, None),
    "max_length": (0, None),
    "max_prompt_length": (0, None),
    "beta": (0, None),
    "alpha": (0, None),
    "desirable_weight": (0, None),
    "undesirable_weight": (0, None),
    "gamma": (None, None),
    "mismatch_weight": (0, None),
    "mismatches": (1, None),
    "divergence_weight": (0, None),
    "cut_threshold": (1, None),
    "cut_alpha": (0, None),
    "cut_gamma": (0, None),
    "minor_weight": (0, None),
    "major_weight": (0, None),
    "critical_weight": (0, None),
    "retain_weight": (0, None),
    "stop_below": (0, None),
    "hold_out": (0, 0.5),
    "probe_every": (0, None),
    "anchors": (1, None),
    "anchor_temperature": (0, None),
    "anchor_top_p": (1e-6, 1),
    "anchor_max_new_tokens": (1, None),
    "anchor_refresh": (0, None),
    "rollouts": (1, None),
    "rollout_max_new_tokens": (1, None),
    "right_weight": (0, None),
    "lora_rank": (0, None),
    "lora_alpha": (1, None),
    "save_every": (0, None),
}
SAMPLING_RANGES: dict[str, Range] = {
    "per_prompt": (1, None),
    "temperature": (0, None),
    "top_p": (1e-6, 1),
    "max_new_tokens": (1, None),
    "batch_size": (1, None),
}


def _build(kind: type[T], values: Any, place: str) -> T:
    if not isinstance(values, dict):
        raise BadSpec(f"{place} is missing or not an object")
    known = {each.name: each for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in known:
            raise BadSpec(f"{place}: unknown field {name!r}; known are {', '.join(sorted(known))}")
        _check_type(value, str(known[name].type), f"{place}.{name}")
    missing = [name for name, each in known.items() if name not in values and _is_required(each)]
    if missing:
        raise BadSpec(f"{place}: {', '.join(missing)} missing")
    return kind(**values)


def _is_required(field_: dataclasses.Field[Any]) -> bool:
    return field_.default is dataclasses.MISSING and field_.default_factory is dataclasses.MISSING


def _check_type(value: Any, type_name: str, place: str) -> None:
    kinds: dict[str, tuple[type, ...]] = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "str": (str,),
        "int | None": (int, type(None)),
    }
    wanted = kinds.get(type_name)
    if wanted is None:
        return
    if not isinstance(value, wanted) or (isinstance(value, bool) and type_name != "bool"):
        raise BadSpec(f"{place} is {value!r}; expected {type_name}")


def _statements(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each.strip() for each in value):
        raise BadSpec(f"constraints is {value!r}; expected a list of sentences")
    return tuple(value)


def _check_choice(value: Any, choices: tuple[str, ...], place: str) -> None:
    if value not in choices:
        raise BadSpec(f"{place} is {value!r}; it may be one of {', '.join(choices)}")


def _check_ranges(built: Any, ranges: dict[str, Range], place: str) -> None:
    for name, (least, most) in ranges.items():
        value = getattr(built, name)
        if not math.isfinite(value):
            raise BadSpec(f"{place}.{name} is {value}; expected a finite number")
        if least is not None and value < least:
            raise BadSpec(f"{place}.{name} is {value}; it may not be below {least}")
        if most is not None and value > most:
            raise BadSpec(f"{place}.{name} is {value}; it may not be above {most}")
