"""What each token of a packed line sees: an attention of ours, which transformers' models are given under a name.

On a CPU, and wherever FlexAttention does not work, the line is taken apart into its blocks, each a batch for the
model's fast attention; completions find their prompt's keys and values before their own. On a GPU, FlexAttention takes
the line whole and skips what nobody sees.

Nothing is believed from the name of an architecture: a packed line of a few tokens is tried once, and its hidden states
and their gradients must be those of padded rows. Where they are not (absolute positions, recurrences, an attention that
cannot be replaced), `problem` says so and batches are padded. Only windows are believed: they are too long to try.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.attention import flex_attention
from transformers import masking_utils
from transformers.integrations import flex_attention as flexing
from transformers.integrations import sdpa_attention

from training_bridge.trainer import data, heads, packing

NAME = "packed"
WAYS = {"cpu": ("blocks",), "cuda": ("flex", "blocks")}
# How far a token looks back, in the configurations of transformers 5: Mistral, Gemma; Llama 4; LFM, RecurrentGemma.
WINDOWS = ("sliding_window", "attention_chunk_size", "attention_window_size")
LAYERS = ("full_attention", "sliding_attention", "chunked_attention")
WITHIN = {torch.float32: 1e-3, torch.bfloat16: 0.1}
SMALLEST = 8  # parameters whose gradients are compared

Under = Callable[[], contextlib.AbstractContextManager[Any]]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How this model's batches are laid out: in `way`, or padded where there is a `problem` or a row beyond `window`.

    `lines` remembers the longest line so far, with and without gradients: all are made as long, so that what is
    compiled for one fits the next.
    """

    way: str = ""
    window: int = 0
    problem: str = ""
    lines: dict[bool, int] = field(default_factory=dict)

    def layout(self, items: Sequence[data.Encoded], *, device: torch.device) -> packing.Layout:
        if self.problem or (self.window and max(len(item.ids) for item in items) > self.window):
            return packing.padded(items, device=device)
        if self.way == "blocks":
            return packing.in_blocks(items, device=device)
        length = self.lines[torch.is_grad_enabled()] = self._length(packing.tokens(items))
        laid = packing.in_line(items, device=device, length=length)
        return dataclasses.replace(laid, mask=block_mask(laid))

    def reason(self, *, longest: int) -> str:
        """Why batches, or those with rows of up to `longest` tokens, are padded; empty where none is."""
        if self.problem or not self.window or longest <= self.window:
            return self.problem
        return f"its tokens look back {self.window} at most: batches with a longer row are padded"

    def _length(self, tokens: int) -> int:
        """The last one, or the next of eight steps to a doubling."""
        grain = max(packing.GRAIN, 1 << max(0, tokens.bit_length() - 4))
        return max(self.lines.get(torch.is_grad_enabled(), 0), -(-tokens // grain) * grain)


def block_mask(laid: packing.Layout) -> flex_attention.BlockMask:
    """Which blocks of the line anybody looks at, for all layers and heads."""
    if laid.forest is None:
        raise ValueError("only a line that stands tree by tree has such a mask")
    size = laid.ids.shape[1]
    return flex_attention.create_block_mask(
        laid.forest.sees(), B=1, H=None, Q_LEN=size, KV_LEN=size, device=laid.ids.device, _compile=laid.ids.is_cuda
    )


def arguments(laid: packing.Layout) -> dict[str, Any]:
    """What the model is called with.

    Padded, no mask is passed: under a causal model what stands on the right cannot reach what is left of it, and
    without a mask attention takes its fast path. Packed, a mask of four dimensions is: the model hands it on as it is
    and makes none itself.
    """
    if laid.positions is None:
        return {"input_ids": laid.ids}
    none = torch.ones((1, 1, 1, 1), dtype=torch.bool, device=laid.ids.device)
    return {"input_ids": laid.ids, "position_ids": laid.positions, "attention_mask": none, "layout": laid}


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: packing.Layout | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers calls it: (1, heads, length, width) each -> (1, length, heads, width).

    Without a layout it is the model's own.
    """
    if layout is None:
        return sdpa_attention.sdpa_attention_forward(module, query, key, value, attention_mask, **rest)
    if layout.mask is not None:
        return flexing.flex_attention_forward(module, query, key, value, layout.mask, **rest)[0], None
    pieces = zip(*(_cut(each, layout.blocks) for each in (query, key, value)), strict=True)
    parts = dict(zip(layout.blocks, pieces, strict=True))
    found = []
    for block, (queries, keys, values) in parts.items():
        if block.before is not None:
            _, *before = parts[block.before]
            keys, values = (torch.cat((_of_rows(before[n], block), own), dim=2) for n, own in enumerate((keys, values)))
        seen = sdpa_attention.sdpa_attention_forward(module, queries, keys, values, block.seen, **rest)[0]
        found.append(seen.flatten(0, 1))
    return torch.cat(found)[None], None


def _cut(line: Tensor, blocks: Sequence[packing.Block]) -> list[Tensor]:
    """(1, heads, length, width) -> for each block (count, heads, length, width).

    Views, all at once: the gradient of a single piece would be a whole line of zeros around it.
    """
    pieces = torch.split(line.squeeze(0), [block.count * block.length for block in blocks], dim=1)
    return [
        torch.unflatten(piece, 1, (block.count, block.length)).transpose(0, 1)
        for piece, block in zip(pieces, blocks, strict=True)
    ]


def _of_rows(prompts: Tensor, block: packing.Block) -> Tensor:
    """Each row's prompt, (count, heads, prompts' length, width), of a block of prompts."""
    if len(prompts) == 1 or block.rows is None:
        return prompts.expand(block.count, -1, -1, -1)
    return prompts.index_select(0, block.rows)


transformers.AttentionInterface.register(NAME, attend)
transformers.AttentionMaskInterface.register(NAME, masking_utils.sdpa_mask)


def of(model: Any, *, linear: torch.nn.Module, device: torch.device, dtype: torch.dtype, under: Under) -> Packing:
    """Try the ways there are, `under` the precision of the run. A model that can pack attends by NAME from here on.

    Draws no random numbers and leaves no gradients.
    """
    config = model.config.get_text_config()
    if strange := sorted(set(getattr(config, "layer_types", None) or ()) - set(LAYERS)):
        return Packing(problem=f"it has layers of another kind ({', '.join(strange)})")
    if (before := config._attn_implementation) not in ("sdpa", NAME):
        return Packing(problem=f"its attention is {before}, not sdpa")
    windows = [size for name in WINDOWS if isinstance(size := getattr(config, name, None), int) and size > 0]
    model.set_attn_implementation(NAME)
    was_training = model.training
    model.eval()
    problem = ""
    try:
        for way in WAYS[device.type]:
            found = Packing(way=way, window=min(windows, default=0))
            problem = _tried(found, model, linear=linear, device=device, dtype=dtype, under=under)
            if not problem:
                return found
    finally:
        model.train(was_training)
    model.set_attn_implementation("sdpa")
    return Packing(problem=problem)


def _tried(
    found: Packing, model: Any, *, linear: torch.nn.Module, device: torch.device, dtype: torch.dtype, under: Under
) -> str:
    """What is wrong with this way of packing; empty where nothing is."""
    rows = _rows(model.get_input_embeddings().num_embeddings)
    within = WITHIN[dtype]
    try:
        wanted, pulls = _states(model, packing.padded(rows, device=device), linear, under)
        states, ours = _states(model, found.layout(rows, device=device), linear, under)
    except (RuntimeError, IndexError, ValueError, TypeError, AttributeError) as error:
        return f"packing could not be tried: {(str(error).splitlines() or [type(error).__name__])[0]}"
    if _distance(states, wanted) > within:
        return "a packed row is not what it is alone"
    if any(_distance(one.flatten(), other.flatten()) > 3 * within for one, other in zip(ours, pulls, strict=True)):
        return "a packed row's gradient is not what it is alone"
    return ""


def _rows(vocabulary: int) -> list[data.Encoded]:
    """Two rows of one prompt, long enough to be shared, and one of another between them."""
    drawn = [(7919 * number + 3) % vocabulary for number in range(64)]
    shared = packing.SHARED_FROM + 1
    return [
        data.Encoded(ids=drawn[: shared + 7], prompt_length=shared),
        data.Encoded(ids=drawn[48:60], prompt_length=4),
        data.Encoded(ids=[*drawn[:shared], *drawn[32:42]], prompt_length=shared),
    ]


def _states(
    model: Any, laid: packing.Layout, linear: torch.nn.Module, under: Under
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The hidden states that are asked for, (N, width), and from a sum of them the gradients of small parameters."""
    trained = [each for each in model.parameters() if each.requires_grad and not isinstance(each, DTensor)]
    few = sorted(trained, key=torch.numel)[:SMALLEST]  # none where FSDP would keep their gradients for the step
    with torch.set_grad_enabled(bool(few)):
        with heads.hidden_only(linear) as kept, under():
            model(use_cache=False, **arguments(laid))
        states = kept[0].flatten(0, 1).index_select(0, laid.where).float()
        if not few:
            return states, ()
        weights = torch.linspace(-1, 1, states.numel(), device=states.device).view(states.shape)
        pulls = torch.autograd.grad((states * weights).sum(), few, allow_unused=True)
    return states.detach(), tuple(each.float() for each in pulls if each is not None)


def _distance(found: Tensor, wanted: Tensor) -> float:
    """The largest, over rows, of |found - wanted| / |wanted|; infinite where one is not a number."""
    gap = (found - wanted).norm(dim=-1) / wanted.norm(dim=-1).clamp(min=1e-6)
    return float(gap.nan_to_num(nan=torch.inf).max())
