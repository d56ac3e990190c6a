"""What the GPU measurement trains and on what: shapes of models, and rows of random tokens. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.bench.trainer import figures

FIRST = 10  # ids below are left for special tokens
END = 1


@dataclass(frozen=True, kw_only=True)
class Model:
    """A Qwen2 of this shape with random weights; all of them are trained, or an adapter of `lora_rank`."""

    name: str
    hidden: int
    layers: int
    intermediate: int
    heads: int
    key_heads: int
    vocabulary: int
    is_tied: bool
    lora_rank: int = 0

    @property
    def shape(self) -> figures.Shape:
        return figures.Shape(
            hidden=self.hidden,
            layers=self.layers,
            intermediate=self.intermediate,
            heads_width=self.hidden,
            keys=self.hidden // self.heads * self.key_heads,
            vocabulary=self.vocabulary,
        )


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Prompts and answers have as many tokens as drawn between these, each doubling as likely as the next."""

    prompt: tuple[int, int]
    answer: tuple[int, int]

    def __str__(self) -> str:
        return "prompts of {} to {} tokens, answers of {} to {}, log-uniform".format(*self.prompt, *self.answer)


MODELS = {
    each.name: each
    for each in (
        Model(
            name="0.5B",
            hidden=896,
            layers=24,
            intermediate=4864,
            heads=14,
            key_heads=2,
            vocabulary=151_936,
            is_tied=True,
        ),
        Model(
            name="7B-LoRA",
            hidden=3584,
            layers=28,
            intermediate=18_944,
            heads=28,
            key_heads=4,
            vocabulary=152_064,
            is_tied=False,
            lora_rank=16,
        ),
    )
}
TINY = {
    name: Model(
        name=name,
        hidden=32,
        layers=2,
        intermediate=64,
        heads=4,
        key_heads=2,
        vocabulary=256,
        is_tied=each.is_tied,
        lora_rank=each.lora_rank and 2,
    )
    for name, each in MODELS.items()
}
LENGTHS = Lengths(prompt=(64, 768), answer=(32, 512))
TINY_LENGTHS = Lengths(prompt=(4, 16), answer=(3, 12))


def drawn(*, model: Model, lengths: Lengths, count: int, answers: int = 1) -> list[dict[str, Any]]:
    """Rows {prompt, answers, label} of token ids, every other one accepted; an answer ends with END. Ever the same."""
    chance = random.Random("rows")

    def ids(bounds: tuple[int, int]) -> list[int]:
        return [chance.randrange(FIRST, model.vocabulary) for _ in range(between(chance, bounds))]

    return [
        {
            "prompt": ids(lengths.prompt),
            "answers": [[*ids(lengths.answer)[:-1], END] for _ in range(answers)],
            "label": number % 2 == 0,
        }
        for number in range(count)
    ]


def between(chance: random.Random, bounds: tuple[int, int]) -> int:
    least, most = bounds
    factor: float = (most / least) ** chance.random()
    return round(least * factor)


def prompted(row: dict[str, Any]) -> figures.Prompted:
    return figures.Prompted(prompt=len(row["prompt"]), answers=tuple(map(len, row["answers"])))


def tokens(row: dict[str, Any]) -> int:
    """Tokens of a row, its prompt once."""
    return len(row["prompt"]) + sum(map(len, row["answers"]))


def measured(*, model: Model, rows: list[dict[str, Any]], seconds: float, peak: float | None) -> dict[str, Any]:
    """Speed of training on these rows in so many seconds.

    `mfu` counts what the trained sequences need and nothing else: not KTO's mismatched pairs, not the reference.
    """
    flops = figures.step_flops(
        model.shape, trained=[prompted(row) for row in rows], scored=[], is_lora=bool(model.lora_rank)
    )
    return {
        "tokens_per_second": sum(map(tokens, rows)) / seconds,
        "rows_per_second": len(rows) / seconds,
        "mfu": figures.mfu(flops=flops, seconds=seconds, peak=peak),
    }
