"""Drawing completions: batched, with a key-value cache, reproducible from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from training_bridge.trainer import models

ON_CPU, ON_GPU = 64, 1024
LOGITS_COPIES = 6  # scores, their sort, its order (8 bytes) and the nucleus are there at once


@dataclass(frozen=True, kw_only=True)
class Settings:
    temperature: float
    top_p: float
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class Completion:
    """`ended` is False when max_new_tokens cut it off; `tokens` counts without the end-of-text.

    `ids` are the tokens as they were drawn, with the end-of-text where it ended; `text` encoded again may give others.
    """

    text: str
    ended: bool
    tokens: int
    ids: list[int]


class _Stopper(transformers.StoppingCriteria):
    """Asks between tokens whether to go on; it never stops a sequence itself."""

    def __init__(self, check: Callable[[], None]) -> None:
        self.check = check

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        self.check()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def complete(
    *,
    policy: models.Policy,
    prompts: Sequence[list[int]],
    settings: Settings,
    seed: str,
    check: Callable[[], None],
) -> list[Completion]:
    """One completion for each prompt (token ids), as one batch padded on the left.

    `seed` names this batch: the same seed, prompts and weights give the same completions on a CPU. `check` is called
    between tokens and may raise Cancelled.
    """
    tokenizer, model = policy.tokenizer, policy.model
    longest = max(len(prompt) for prompt in prompts)
    pad = tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts], device=policy.device)
    attention = torch.tensor(
        [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=policy.device
    )
    torch.manual_seed(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1)
    model.eval()
    with torch.inference_mode(), policy.autocast(), _only(model, _generation_config(policy, settings)):
        found = model.generate(
            input_ids=ids,
            attention_mask=attention,
            stopping_criteria=transformers.StoppingCriteriaList([_Stopper(check)]),
        )
    ends = end_tokens(policy)
    return [
        completed(tokenizer, prompt, row[longest:].tolist(), ends) for prompt, row in zip(prompts, found, strict=True)
    ]


def at_once(policy: models.Policy, *, tokens: int) -> int:
    """How many completions to draw in one batch, at most, when a prompt and its completion have so many tokens.

    On a GPU: as many as a quarter of its memory holds of keys, values and the last position's logits, whatever is free
    at the moment, so that the same machine makes the same batches again. That leaves room for weights and optimizer.
    """
    if policy.device.type != "cuda":
        return ON_CPU
    config = policy.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cached = 2 * config.num_hidden_layers * heads * width * policy.dtype.itemsize * tokens
    scored = LOGITS_COPIES * torch.float32.itemsize * config.vocab_size
    memory: int = torch.cuda.get_device_properties(policy.device).total_memory
    fits: int = memory // 4 // (cached + scored)
    return max(1, min(ON_GPU, fits))


def end_tokens(policy: models.Policy) -> list[int]:
    """The tokenizer's end-of-text and whatever else the model's own settings say ends an answer."""
    theirs = getattr(policy.model.generation_config, "eos_token_id", None)
    more = theirs if isinstance(theirs, list) else [] if theirs is None else [theirs]
    return sorted({policy.tokenizer.eos_token_id, *more})


def _generation_config(policy: models.Policy, settings: Settings) -> Any:
    """Everything said outright, so that no checkpoint's own taste (top_k 50, repetition penalty) leaks in."""
    sampled = settings.temperature > 0
    return transformers.GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=sampled,
        **({"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0} if sampled else {}),
        max_new_tokens=settings.max_new_tokens,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=end_tokens(policy),
        pad_token_id=policy.tokenizer.pad_token_id,
        use_cache=True,
    )


class _only:  # noqa: N801 - reads as a verb in `with`
    """Lend the model a generation config: `generate` fills what is unset from the model's own one."""

    def __init__(self, model: Any, config: Any) -> None:
        self.model, self.config = model, config

    def __enter__(self) -> None:
        self.own, self.model.generation_config = self.model.generation_config, self.config

    def __exit__(self, *_: object) -> None:
        self.model.generation_config = self.own


def completed(tokenizer: Any, prompt: list[int], ids: list[int], ends: Sequence[int]) -> Completion:
    """What was drawn after `prompt`, up to the first token that ends an answer."""
    cut = next((place for place, token in enumerate(ids) if token in ends), None)
    kept = ids if cut is None else ids[:cut]
    drawn = ids if cut is None else ids[: cut + 1]
    return Completion(text=_text(tokenizer, prompt, kept), ended=cut is not None, tokens=len(kept), ids=drawn)


def _text(tokenizer: Any, prompt: list[int], ids: list[int]) -> str:
    """Decode after the prompt: some tokenizers drop a leading space of text that is decoded alone."""
    options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    before: str = tokenizer.decode(prompt, **options)
    whole: str = tokenizer.decode(prompt + ids, **options)
    return whole[len(before) :] if whole.startswith(before) else str(tokenizer.decode(ids, **options))
