"""Packed lines and shared prompts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.training_bridge.trainer.faults import Fault
from training_bridge.trainer import attending, packing

Laying = Callable[..., packing.Layout]


def counts_on(layout: Laying) -> Laying:
    """Position ids go on along the line."""

    def faulty(*given: Any, **rest: Any) -> packing.Layout:
        found = layout(*given, **rest)
        return dataclasses.replace(found, positions=torch.arange(found.ids.shape[1])[None])

    return faulty


def restarts_completions(layout: Laying) -> Laying:
    """A completion begins at position 0 like a row of its own."""

    def faulty(segments: Any, **rest: Any) -> packing.Layout:
        for each, _ in segments:
            each.first = 0
        return layout(segments, **rest)

    return faulty


def leaks_between_neighbours(lay: Laying) -> Laying:
    """The line is one causal sequence."""

    def faulty(*given: Any, **rest: Any) -> packing.Layout:
        found = lay(*given, **rest)
        whole = packing.Block(start=0, count=1, length=found.ids.shape[1])
        return dataclasses.replace(found, blocks=(whole,))

    return faulty


def sees_siblings(lay: Laying) -> Laying:
    """The completions of a block are one sequence behind the first one's prompt."""

    def faulty(*given: Any, **rest: Any) -> packing.Layout:
        found = lay(*given, **rest)
        return dataclasses.replace(found, blocks=tuple(together(each) for each in found.blocks))

    def together(block: packing.Block) -> packing.Block:
        if block.before is None or block.rows is None or block.seen is None:
            return block
        length = block.count * block.length
        before = block.seen[:1, :, :1, : block.before.length].expand(1, 1, length, -1)
        seen = torch.cat((before, torch.ones((1, 1, length, length), dtype=torch.bool).tril()), dim=-1)
        return dataclasses.replace(block, count=1, length=length, rows=block.rows[:1], seen=seen)

    return faulty


def sees_the_padding_of_prompts(seen: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def faulty(prompts: Any, *, wide: int, length: int) -> Tensor:
        found = seen(prompts, wide=wide, length=length).clone()
        found[..., :wide] = True
        return found

    return faulty


def starts_from_another_prompt(where: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A completion's first token is predicted by the last prompt token of the next row."""

    def faulty(items: Any, rows: Any) -> Tensor:
        found = where(items, rows)
        firsts, at = [], 0
        for item in items:
            firsts.append(at)
            at += item.length
        found[firsts] = found[firsts].roll(-1)
        return found

    return faulty


def looks_at_another_prompt(block: Callable[..., packing.Block]) -> Callable[..., packing.Block]:
    """Keys and values are those of another prompt of the block."""

    def faulty(*given: Any, **rest: Any) -> packing.Block:
        found = block(*given, **rest)
        if found.before is not None and found.rows is not None:
            object.__setattr__(found, "rows", (found.rows + 1) % found.before.count)
        return found

    return faulty


def function_lets_siblings_through(sees: Callable[..., Any]) -> Callable[..., Any]:
    """FlexAttention's function knows trees alone."""

    def faulty(self: packing.Forest) -> Any:
        return sees(dataclasses.replace(self, segments=self.trees))

    return faulty


def function_lets_trees_through(sees: Callable[..., Any]) -> Callable[..., Any]:
    """FlexAttention's function lets every prompt be seen by all that follow."""

    def faulty(self: packing.Forest) -> Any:
        return sees(dataclasses.replace(self, trees=torch.zeros_like(self.trees)))

    return faulty


def takes_the_completion_of_the_prompt(planted: Callable[..., Any]) -> Callable[..., Any]:
    """Rows of one prompt are taken for one row."""

    def faulty(items: Any) -> Any:
        first: dict[tuple[int, ...], Any] = {}
        for item in items:
            first.setdefault(tuple(item.ids[: item.prompt_length]), item)
        return planted([as_long(first[tuple(item.ids[: item.prompt_length])], item) for item in items])

    def as_long(other: Any, item: Any) -> Any:
        tail = (other.ids[other.prompt_length :] * item.length)[: item.length]
        return dataclasses.replace(item, ids=item.ids[: item.prompt_length] + tail)

    return faulty


def knows_no_windows(_: tuple[str, ...]) -> tuple[str, ...]:
    return ()


def finds_everything_close(_: Callable[..., float]) -> Callable[..., float]:
    return lambda *_: 0.0


SHARED = (
    "packing.packed_equals_padded_under_lora",
    "packing.d2o_shared_equals_unshared",
    "packing.kto_packed_equals_padded",
)
FAULTS = [
    Fault("packing.packed_equals_padded", packing, counts_on, "_layout"),
    Fault("packing.packed_equals_padded", packing, restarts_completions, "_layout"),
    Fault("packing.packed_equals_padded", packing, leaks_between_neighbours, "in_blocks"),
    Fault("packing.packed_equals_padded", packing, sees_siblings, "in_blocks"),
    Fault("packing.packed_equals_padded", packing, sees_the_padding_of_prompts, "_seen"),
    Fault("packing.packed_equals_padded", packing, starts_from_another_prompt, "_where"),
    Fault("packing.packed_equals_padded", packing, looks_at_another_prompt, "_block"),
    Fault("packing.a_line_for_flex_attention_equals_padded", packing, counts_on, "_layout"),
    Fault("packing.a_line_for_flex_attention_equals_padded", packing.Forest, function_lets_siblings_through, "sees"),
    Fault("packing.a_line_for_flex_attention_equals_padded", packing.Forest, function_lets_trees_through, "sees"),
    Fault("packing.a_line_for_flex_attention_equals_padded", packing, starts_from_another_prompt, "_where"),
    *(Fault(each, packing, sees_siblings, "in_blocks") for each in SHARED),
    *(Fault(each, packing, leaks_between_neighbours, "in_blocks") for each in SHARED),
    *(Fault(each, packing, restarts_completions, "_layout") for each in SHARED),
    Fault("packing.kto_packed_equals_padded", packing, starts_from_another_prompt, "_where"),
    Fault("packing.pairs_stay_mismatched", packing, takes_the_completion_of_the_prompt, "_planted"),
    Fault("packing.a_window_is_respected", attending, knows_no_windows, "WINDOWS"),
    Fault("packing.a_model_that_cannot_pack_is_padded", attending, finds_everything_close, "_distance"),
]
