"""A checkpoint to be measured: loaded, sampled from, scored."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training_bridge.formats import spec
from training_bridge.trainer import data, generation, logprobs, models

ROWS = 512


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`ended` is False when it was cut off; `tokens` counts without the end-of-text."""

    text: str
    ended: bool
    tokens: int


def load(checkpoint: Path) -> models.Policy:
    """The checkpoint in float32 on the CPU."""
    asked = spec.RunSpec(
        method="sample",
        base=spec.Base(location=str(checkpoint)),
        checkpoint_name="measured",
        hyperparameters=spec.hyperparameters({"device": "cpu"}),
    )
    policy = models.load(asked=asked)
    policy.model.eval()
    return policy


def sample(
    policy: models.Policy,
    prompts: Sequence[str],
    *,
    at_most: int,
    seed: str,
    each: int = 1,
    temperature: float = 1.0,
) -> list[list[Answer]]:
    """`each` answers to every prompt, in order; temperature 0 is greedy.

    As trainer/generation.py draws, and several times quicker on one core: a prompt is read once for all its answers,
    and an answer that has ended costs nothing more.
    """
    ids = [data.prompt_ids(policy.tokenizer, prompt) for prompt in prompts]
    order = sorted(range(len(ids)), key=lambda place: (len(ids[place]), place))
    found: dict[int, list[Answer]] = {}
    width = max(1, ROWS // each)
    for at in range(0, len(order), width):
        places = order[at : at + width]
        chance = torch.Generator().manual_seed(
            int.from_bytes(hashlib.sha256(f"{seed}/{at}".encode()).digest()[:8], "big") >> 1
        )
        drawn = _drawn(policy, [ids[place] for place in places], each, at_most, temperature, chance)
        answers = [_answer(policy, row) for row in drawn.tolist()]
        for number, place in enumerate(places):
            found[place] = answers[number * each : (number + 1) * each]
    return [found[place] for place in range(len(ids))]


@torch.inference_mode()
def _drawn(
    policy: models.Policy, ids: list[list[int]], each: int, at_most: int, temperature: float, chance: torch.Generator
) -> Tensor:
    """(prompts x each, at_most) tokens, padded with the padding token after the end."""
    model, pad = policy.model, policy.tokenizer.pad_token_id
    ends = torch.tensor(generation.end_tokens(policy))
    longest = max(len(each) for each in ids)
    prompts = torch.tensor([[pad] * (longest - len(row)) + row for row in ids])
    seen = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in ids])
    output = model(input_ids=prompts, attention_mask=seen, position_ids=_positions(seen), use_cache=True)
    past: Any = output.past_key_values
    past.batch_repeat_interleave(each)
    seen, logits = seen.repeat_interleave(each, 0), output.logits[:, -1].repeat_interleave(each, 0)
    found = torch.full((len(seen), at_most), pad)
    alive = torch.arange(len(seen))
    for place in range(at_most):
        tokens = _next(logits, temperature, chance)
        found[alive, place] = tokens
        goes_on = ~torch.isin(tokens, ends)
        alive, tokens, seen = alive[goes_on], tokens[goes_on], seen[goes_on]
        if not len(alive) or place == at_most - 1:
            break
        if not goes_on.all():
            past.batch_select_indices(goes_on.nonzero().squeeze(1))
        seen = torch.cat([seen, torch.ones_like(seen[:, :1])], 1)
        output = model(
            input_ids=tokens[:, None],
            attention_mask=seen,
            position_ids=_positions(seen)[:, -1:],
            past_key_values=past,
            use_cache=True,
        )
        past, logits = output.past_key_values, output.logits[:, -1]
    return found


def _positions(seen: Tensor) -> Tensor:
    return (seen.cumsum(1) - 1).clamp(min=0)


def _next(logits: Tensor, temperature: float, chance: torch.Generator) -> Tensor:
    if not temperature:
        return logits.argmax(1)
    return torch.multinomial((logits / temperature).softmax(1), 1, generator=chance).squeeze(1)


def _answer(policy: models.Policy, row: list[int]) -> Answer:
    ends = generation.end_tokens(policy)
    cut = next((place for place, token in enumerate(row) if token in ends), None)
    kept = row if cut is None else row[:cut]
    text: str = policy.tokenizer.decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return Answer(text=text, ended=cut is not None, tokens=len(kept))


def scored(policy: models.Policy, answers: Sequence[tuple[str, str, bool]]) -> tuple[float, float]:
    """Mean log-prob and mean entropy per token, in nats, over (prompt, answer, has it ended); 0 of none."""
    items = [_encoded(policy, *each) for each in answers]
    items = sorted((item for item in items if item.length), key=lambda item: len(item.ids))
    total, spread, tokens = 0.0, 0.0, 0.0
    for at in range(0, len(items), ROWS // 2):
        batch = logprobs.collate(items[at : at + ROWS // 2], device=policy.device)
        with torch.no_grad():
            found, entropy = logprobs.with_entropy(policy, batch)
        total, spread = total + found.sum().item(), spread + entropy.sum().item()
        tokens += batch.real.sum().item()
    return total / max(tokens, 1.0), spread / max(tokens, 1.0)


def _encoded(policy: models.Policy, prompt: str, answer: str, ended: bool) -> data.Encoded:
    head = data.prompt_ids(policy.tokenizer, prompt)
    tail = policy.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return data.Encoded(ids=head + tail + [policy.tokenizer.eos_token_id] * ended, prompt_length=len(head))
