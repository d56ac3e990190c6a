"""Which token goes where: the sequences of a micro-batch in one line, hardly padded and with shared prompts once.

A prompt that several rows share is a segment of its own, and their completions continue it: a tree. Every other row is
one segment, causal as ever. Position ids restart: a prompt at 0, a completion at its prompt's length. What each token
may see is in `attending`. The last token of a row predicts nothing that is asked for, so it is not in the line.

With K rows of one prompt the model computes P + K R tokens instead of K (P + R).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training_bridge.trainer import data

SHARED_FROM = 16  # tokens that sharing a prompt must save; a few are not worth a segment of their own
SLACK = 4, 16  # a segment joins a block if padding it adds at most 4 tokens, or a 16th of the block's length
GRAIN = 128  # the blocks in which FlexAttention looks


@dataclass(kw_only=True, eq=False)
class Segment:
    """Tokens that stand together, from `start` of the line; `first` is the position id of the first of them.

    A completion has the segment that it continues as `prompt`. `home` and `row` say where in which block it stands.
    """

    ids: list[int]
    first: int = 0
    prompt: Segment | None = None
    start: int = -1
    home: Block | None = None
    row: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """`count` segments of like length, padded to `length`, from `start` of the line.

    A block of completions knows the block `before` it, of their prompts, in `rows` (count,) the row there of each, and
    in `seen`, (count or 1, 1, length, prompts' length + length), what they see.
    """

    start: int
    count: int
    length: int
    before: Block | None = None
    rows: Tensor | None = None
    seen: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Forest:
    """Of each token of the line (length,): its tree, its segment, and whether it is in the prompt of a tree.

    Padding at the end is a tree of its own.
    """

    trees: Tensor
    segments: Tensor
    is_prompt: Tensor

    def sees(self) -> Callable[[Any, Any, Tensor, Tensor], Tensor]:
        """Whether the token at `query` sees the one at `key`: a function in the form that FlexAttention compiles."""
        trees, segments, is_prompt = self.trees, self.segments, self.is_prompt

        def sees(_: Any, __: Any, query: Tensor, key: Tensor) -> Tensor:
            near = (segments[query] == segments[key]) | is_prompt[key]
            return (trees[query] == trees[key]) & near & (query >= key)

        return sees


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Token ids (lines, length) and, in `where` (N,), the place in the flattened lines whose logits predict each
    completion token, row after row.

    Padded rows have neither `positions` nor a say in attention. In a packed line, `positions` is (1, length) and there
    are `blocks`, or a `forest` and its `mask` for FlexAttention.
    """

    ids: Tensor
    where: Tensor
    positions: Tensor | None = None
    blocks: tuple[Block, ...] = ()
    forest: Forest | None = None
    mask: Any = None


def padded(items: Sequence[data.Encoded], *, device: torch.device) -> Layout:
    """One row a line, padded on the right."""
    longest = max(len(item.ids) for item in items)
    ids = torch.tensor([item.ids + [0] * (longest - len(item.ids)) for item in items])
    firsts = [row * longest + item.prompt_length - 1 for row, item in enumerate(items)]
    where = _joined(range(first, first + item.length) for first, item in zip(firsts, items, strict=True))
    return Layout(ids=ids.to(device), where=torch.tensor(where).to(device))


def in_blocks(items: Sequence[data.Encoded], *, device: torch.device) -> Layout:
    """One line of blocks, each of which attention takes as a batch."""
    rows = _planted(items)
    segments = list(dict.fromkeys(_joined(rows)))
    blocks: list[Block] = []
    for group in _alike([each for each in segments if each.prompt is None]):
        blocks.append(_block(group, after=blocks, device=device))
    for before in list(blocks):
        for group in _alike([each for each in segments if each.prompt is not None and each.prompt.home is before]):
            blocks.append(_block(group, after=blocks, device=device))
    return _layout(
        [(each, each.home.length) for each in sorted(segments, key=lambda each: each.start) if each.home is not None],
        where=_where(items, rows),
        device=device,
        blocks=tuple(blocks),
    )


def in_line(items: Sequence[data.Encoded], *, device: torch.device, length: int) -> Layout:
    """One line, tree after tree, padded at its end alone. Raises ValueError where `length` is too short for it."""
    rows = _planted(items)
    segments = list(dict.fromkeys(_joined(rows)))
    trees: dict[int, int] = {}
    for each in segments:
        trees.setdefault(id(each.prompt or each), len(trees))
    segments.sort(key=lambda each: trees[id(each.prompt or each)])
    at = 0
    for each in segments:
        each.start, at = at, at + len(each.ids)
    if at > length:
        raise ValueError(f"{at} tokens do not fit into a line of {length}")
    prompts = {id(each.prompt) for each in segments}
    marks = [
        (trees[id(each.prompt or each)], number, id(each) in prompts)
        for number, each in enumerate(segments)
        for _ in each.ids
    ]
    marks += [(len(trees), len(segments), False)] * (length - at)
    of_tree, of_segment, is_prompt = (torch.tensor(each).to(device) for each in zip(*marks, strict=True))
    return _layout(
        [*((each, len(each.ids)) for each in segments), (Segment(ids=[]), length - at)],
        where=_where(items, rows),
        device=device,
        forest=Forest(trees=of_tree, segments=of_segment, is_prompt=is_prompt),
    )


def tokens(items: Sequence[data.Encoded]) -> int:
    """What the items come to without any padding."""
    return sum(len(segment.ids) for segment in dict.fromkeys(_joined(_planted(items))))


def _planted(items: Sequence[data.Encoded]) -> list[tuple[Segment, ...]]:
    """For each item the segments that it is made of: itself, or its prompt and its completion, which may be empty."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for number, item in enumerate(items):
        by_prompt.setdefault(tuple(item.ids[: item.prompt_length]), []).append(number)
    found: dict[int, tuple[Segment, ...]] = {}
    for ids, numbers in by_prompt.items():
        is_shared = len(ids) * (len(numbers) - 1) >= SHARED_FROM
        prompt = Segment(ids=list(ids))
        for number in numbers:
            tail = items[number].ids[len(ids) : -1]
            if not is_shared:
                found[number] = (Segment(ids=[*ids, *tail]),)
            else:
                found[number] = (prompt, Segment(ids=tail, first=len(ids), prompt=prompt))[: 2 if tail else 1]
    return [found[number] for number in range(len(items))]


def _alike(segments: Sequence[Segment]) -> list[list[Segment]]:
    """Groups of like length, the longest first; order among equals is kept."""
    found: list[list[Segment]] = []
    few, share = SLACK
    for each in sorted(segments, key=lambda each: -len(each.ids)):
        longest = len(found[-1][0].ids) if found else 0
        if found and longest - len(each.ids) <= max(few, longest // share):
            found[-1].append(each)
        else:
            found.append([each])
    return found


def _block(group: Sequence[Segment], *, after: Sequence[Block], device: torch.device) -> Block:
    """A block of these segments at the end of the line, which now know where they stand."""
    start = after[-1].start + after[-1].count * after[-1].length if after else 0
    length = len(group[0].ids)
    prompts = [each.prompt for each in group if each.prompt is not None]
    if prompts and (before := prompts[0].home) is not None:
        rows = torch.tensor([each.row for each in prompts]).to(device)
        seen = _seen(prompts, wide=before.length, length=length).to(device)
        block = Block(start=start, count=len(group), length=length, before=before, rows=rows, seen=seen)
    else:
        block = Block(start=start, count=len(group), length=length)
    for row, each in enumerate(group):
        each.start, each.home, each.row = start + row * length, block, row
    return block


def _seen(prompts: Sequence[Segment], *, wide: int, length: int) -> Tensor:
    """(count or 1, 1, length, wide + length): a completion sees all of its prompt, and itself up to here."""
    lengths = [len(each.ids) for each in prompts]
    lengths = lengths[:1] if len(set(lengths)) == 1 else lengths
    of_prompt = torch.arange(wide) < torch.tensor(lengths)[:, None]
    of_itself = torch.ones((length, length), dtype=torch.bool).tril()
    shape = (len(lengths), 1, length, -1)
    return torch.cat((of_prompt[:, None, None].expand(shape), of_itself[None, None].expand(shape)), dim=-1)


def _layout(segments: Sequence[tuple[Segment, int]], *, where: Tensor, device: torch.device, **rest: Any) -> Layout:
    """One line of the segments, each padded to the length beside it. Padding stands at position 0."""
    ids, positions = [], []
    for each, length in segments:
        ids += each.ids + [0] * (length - len(each.ids))
        positions += [*range(each.first, each.first + len(each.ids)), *[0] * (length - len(each.ids))]
    line, places = torch.tensor([ids]), torch.tensor([positions])
    return Layout(ids=line.to(device), positions=places.to(device), where=where.to(device), **rest)


def _where(items: Sequence[data.Encoded], rows: Sequence[tuple[Segment, ...]]) -> Tensor:
    """The last prompt token, wherever it stands, predicts the first of the completion, which predicts the next."""
    found: list[int] = []
    for item, (head, *tail) in zip(items, rows, strict=True):
        last = head.start + item.prompt_length - 1
        if tail:
            found += [last, *range(tail[0].start, tail[0].start + item.length - 1)]
        else:
            found += range(last, last + item.length)
    return torch.tensor(found)


def _joined(parts: Iterable[Iterable[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(parts))
