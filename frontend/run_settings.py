"""The settings of a run as form fields, with a sentence each: for the run form and the schedule form."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from annotate import errors
from annotate.campaigns.models import Campaign
from annotate.intake.models import ImportBatch
from training_bridge.formats import defaults as method_defaults
from training_bridge.formats import spec
from training_bridge.runs import actions, sampling

HYPER, SAMPLE = "h-", "s-"
BATCHES_OFFERED = 100


class BadField(errors.RuleError):
    """What was typed is not of the field's kind."""


@dataclass(frozen=True)
class Setting:
    """`methods` empty: every method. `options` empty: a text or number field, a checkbox for a boolean."""

    name: str
    label: str
    hint: str
    methods: str = ""
    options: tuple[str, ...] = ()


# Those a person thinks about first; the rest is under "More".
MAIN = (
    Setting(
        "learning_rate", "Learning rate", "Empty, as in every such field: the method's usual one at the base's size."
    ),
    Setting("max_steps", "Steps", "Optimizer steps. Each sees batch size × gradient accumulation rows."),
    Setting("batch_size", "Batch size", "Rows per forward pass. KTO needs at least 2."),
    Setting("span_mask", "Penalise marked spans only", "Rejected rows without spans are penalised whole."),
    Setting("lora_rank", "LoRA rank", "0 trains all weights; 8 to 64 trains a small adapter and needs less memory."),
    Setting("beta", "Beta", "Hold on where the model started: 0.1, SimNPO 2.5 to 4.5. In ORPO the weight of the odds."),
    Setting("anchors", "Anchors per prompt (K)", "Answers of the base that hold the model in place.", "D2O"),
    Setting("retain_weight", "Retain weight", "Adds the likelihood of anchors (D2O) or accepted answers. 0: no."),
)
MORE = (
    Setting("alpha", "Alpha", "Weight of the rejected answer.", "D2O"),
    Setting("desirable_weight", "Weight of accepted rows", "Balance it against the rejected ones.", "KTO"),
    Setting("undesirable_weight", "Weight of rejected rows", "One of the two stays 1.", "KTO"),
    Setting(
        "stop_below",
        "Stop when good answers fall",
        "By so many nats a token below their best; the best is handed back. 0: never.",
    ),
    Setting("hold_out", "Good answers held out", "This share is watched and not trained on. Not for D2O, NSR."),
    Setting("probe_every", "Look at good answers every", "So many steps, and after the last. 0: a tenth of all."),
    Setting("gamma", "Gamma", "Margin; above 0 it pushes on where an answer is already unlikely.", "SimNPO"),
    Setting("mismatch_weight", "Weight of unrelated answers", "A guard. 2 is usual; 0: none.", "gradient ascent"),
    Setting("mismatches", "Unrelated answers", "Accepted ones, to each rejected row in a step.", "gradient ascent"),
    Setting(
        "divergence_weight",
        "Weight of the divergence",
        "A guard: how far accepted answers' distributions may move. 2 is usual; 0: none.",
        "gradient ascent",
    ),
    Setting("cut_threshold", "Threshold", "A token is wrong that the critique makes so many times as likely.", "CUT"),
    Setting("cut_alpha", "Weight of wrong tokens", "What a wrong token counts against the others.", "CUT"),
    Setting(
        "cut_gamma", "Power of the critique", "Tokens count by their probability under it. 0: all the same.", "CUT"
    ),
    Setting("chosen_mask", "Prefer corrected words only", "DPO and ORPO. Else the corrected answer counts whole."),
    Setting("minor_weight", "Weight of minor spans", "What a penalised token counts by the severity of its span."),
    Setting("major_weight", "Weight of major spans", "The same for major ones."),
    Setting("critical_weight", "Weight of critical spans", "The same for critical ones."),
    Setting("length_normalised", "Mean over tokens", "A long answer counts no more than a short one."),
    Setting(
        "row_weights",
        "Weights of rows",
        "column: a row's own; constraints: balanced.",
        options=spec.ROW_WEIGHTS,
    ),
    Setting("rollouts", "Answers per prompt and step", "Drawn anew in every step.", "NSR, W-REINFORCE"),
    Setting("rollout_max_new_tokens", "Length of these answers", "Tokens at most.", "NSR, W-REINFORCE"),
    Setting("right_weight", "Weight of right answers", "Against wrong ones. 0.1 is usual.", "W-REINFORCE"),
    Setting("anchor_temperature", "Anchor temperature", "How freely anchors are drawn.", "D2O"),
    Setting("anchor_top_p", "Anchor top-p", "Nucleus that anchors are drawn from.", "D2O"),
    Setting("anchor_max_new_tokens", "Anchor length", "Tokens at most.", "D2O"),
    Setting(
        "anchor_constraints",
        "Sample anchors under the constraints",
        "The base is told the constraint set in its system prompt; anchors are kept and trained without it. D2O only.",
    ),
    Setting("anchor_refresh", "Sample anchors again every", "So many steps, from the model as it stands.", "D2O"),
    Setting("anchor_engine", "Anchors are drawn by", "vllm: where it is installed, on a GPU.", "D2O", spec.ENGINES),
    Setting("gradient_accumulation", "Gradient accumulation", "Forward passes per step."),
    Setting("lr_schedule", "Rate over time", "After the warm-up.", options=spec.SCHEDULES),
    Setting("warmup_steps", "Warm-up steps", "The rate rises from 0 over these."),
    Setting("max_length", "Longest row", "Prompt and completion, in tokens. 0: what the base can read."),
    Setting(
        "long_rows",
        "Longer rows",
        "refuse: the run ends and says how many; truncate_left: their prompts lose the beginning.",
        options=spec.LONG_ROWS,
    ),
    Setting("max_prompt_length", "Longest prompt", "In tokens; a longer one loses its beginning. 0: never."),
    Setting("weight_decay", "Weight decay", ""),
    Setting("max_grad_norm", "Gradient clipping", "0: none."),
    Setting("lora_alpha", "LoRA alpha", "Scale of the adapter."),
    Setting("save_every", "Save every", "Steps between states a lost run can resume from. 0: none."),
    Setting("seed", "Seed", "Same seed, same data, same machine: same weights."),
    Setting("device", "Device", "auto, cpu, cuda or cuda:1."),
    Setting("dtype", "Precision", "bfloat16 on a GPU.", options=spec.DTYPES),
)
SAMPLING = (
    Setting("count", "Prompts", "How many prompts the new checkpoint answers. 0: none."),
    Setting("per_prompt", "Answers per prompt", ""),
    Setting("temperature", "Temperature", "0 always takes the likeliest token."),
    Setting("top_p", "Top-p", "1 draws from all tokens."),
    Setting("max_new_tokens", "Longest answer", "In tokens."),
    Setting("seed", "Seed", "Chooses the prompts and draws the answers."),
    Setting("engine", "Answers are drawn by", "vllm: where it is installed, on a GPU.", options=spec.ENGINES),
)


@dataclass(frozen=True)
class Field:
    """A field as the template shows it."""

    id: str
    label: str
    hint: str
    value: str
    kind: str
    methods: str
    options: tuple[str, ...]
    error: str
    is_usual: bool


@dataclass(frozen=True)
class Form:
    main: list[Field]
    more: list[Field]
    sampling: list[Field]
    batches: list[tuple[str, str, bool]]
    batch_error: str
    purpose: str
    has_error_in_more: bool


def defaults() -> dict[str, str]:
    """What an untouched form holds: nothing where the method has a value of its own."""
    hyper = {HYPER + name: _shown(value) for name, value in dataclasses.asdict(spec.Hyperparameters()).items()}
    sample = {SAMPLE + name: _shown(value) for name, value in dataclasses.asdict(sampling.Choice()).items()}
    return {**hyper, **{HYPER + name: "" for name in method_defaults.NAMES}, **sample}


def held(*, hyperparameters: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, str]:
    """What the form holds for settings that are stored."""
    stored = {HYPER + name: _shown(value) for name, value in hyperparameters.items()}
    stored |= {SAMPLE + name: _shown(value) for name, value in choice.items()}
    return {**defaults(), **stored}


def typed(data: QueryDict) -> dict[str, str]:
    """What the form holds after a person sent it: an unticked box is not sent at all."""
    kept = {name: str(value) for name, value in data.items()}
    return {**defaults(), HYPER + "span_mask": "", **kept}


def form(*, campaign: Campaign, values: Mapping[str, str], problems: Mapping[str, str]) -> Form:
    def fields(settings: tuple[Setting, ...], prefix: str, kind: Any) -> list[Field]:
        kinds = {each.name: str(each.type) for each in dataclasses.fields(kind)}
        return [_field(each, prefix, kinds[each.name], values, problems) for each in settings]

    more = fields(MORE, HYPER, spec.Hyperparameters)
    chosen = values.get(SAMPLE + "prompt_batch", "")
    batches = campaign.batches.filter(state="done").order_by("-pk").values_list("pk", "name", "purpose")
    return Form(
        main=fields(MAIN, HYPER, spec.Hyperparameters),
        more=more,
        sampling=fields(SAMPLING, SAMPLE, sampling.Choice),
        batches=[
            (str(pk), f"{name} (import {pk}, {ImportBatch.Purpose(purpose).label})", str(pk) == chosen)
            for pk, name, purpose in batches[:BATCHES_OFFERED]
        ],
        batch_error=problems.get(SAMPLE + "prompt_batch", ""),
        purpose=values.get(SAMPLE + "purpose", ""),
        has_error_in_more=any(field.error for field in more),
    )


def read(values: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """Return (hyperparameters, sampling, problems by field id). With problems the settings may be incomplete."""
    problems: dict[str, str] = {}
    hyper = _read(values, HYPER, spec.Hyperparameters, problems, actions.checked_hyperparameters)
    chosen = _read(values, SAMPLE, sampling.Choice, problems, sampling.parse)
    return hyper, chosen, problems


def _read(
    values: Mapping[str, str],
    prefix: str,
    kind: Any,
    problems: dict[str, str],
    check: Callable[[dict[str, Any]], Any],
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        if prefix == HYPER and each.name in method_defaults.NAMES and not values.get(prefix + each.name, "").strip():
            continue
        try:
            found[each.name] = _value(values.get(prefix + each.name, ""), str(each.type))
        except ValueError:
            kind_name = "a whole number" if "int" in str(each.type) else "a number"
            problems[prefix + each.name] = f"Give {kind_name}."
    try:
        check(found)
    except errors.RuleError as error:
        problems.setdefault(prefix + error.field, error.message)
    return found


def _value(text: str, type_name: str) -> Any:
    text = text.strip()
    if type_name == "bool":
        return text in ("on", "true", "True")
    if type_name == "int | None":
        return int(text) if text else None
    if type_name == "int":
        return int(text)
    return float(text) if type_name == "float" else text


def _field(
    setting: Setting, prefix: str, type_name: str, values: Mapping[str, str], problems: Mapping[str, str]
) -> Field:
    kind = "choice" if setting.options else {"bool": "check", "str": "text"}.get(type_name, "number")
    name = prefix + setting.name
    return Field(
        id=name,
        label=setting.label,
        hint=setting.hint,
        value=values.get(name, ""),
        kind=kind,
        methods=setting.methods,
        options=setting.options,
        error=problems.get(name, ""),
        is_usual=prefix == HYPER and setting.name in method_defaults.NAMES,
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else ""
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
