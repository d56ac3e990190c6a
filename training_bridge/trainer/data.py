"""From rows to token ids: prompts, completions, and which completion tokens a person's spans cover."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from torch import Tensor

from training_bridge.formats import rows, spec
from training_bridge.trainer import errors, fitting, job, weighing

CHUNK = 1000


@dataclass(kw_only=True)
class Encoded:
    """A prompt and one completion as token ids.

    `mask` has one weight per completion token, or is None for all ones; `reference` has the starting model's log-prob
    of each completion token, once `reference.attach` has been there.
    """

    ids: list[int]
    prompt_length: int
    mask: list[float] | None = None
    reference: Tensor | None = None

    @property
    def length(self) -> int:
        """Completion tokens."""
        return len(self.ids) - self.prompt_length


@dataclass(kw_only=True)
class Pair:
    """What is to be encoded: spans are code-point offsets into `completion`; `ended` False adds no end-of-text.

    `severity` is the whole answer's, for a rejected one without spans.
    """

    prompt: rows.PromptValue
    completion: str
    spans: Sequence[rows.SpanRow] = ()
    severity: str = ""
    ended: bool = True


@dataclass(kw_only=True)
class Counts:
    """What became of the rows; told in the `rows` event and in the checkpoint's manifest.

    `long` rows had more than `max_length` tokens (None: there is no limit), `longest` at most; by `long_rows` those
    not in `dropped_long` lost the beginning of their prompt. `shortened_prompts` were over max_prompt_length.
    """

    max_length: int | None
    long_rows: str
    read: int = 0
    kept: int = 0
    long: int = 0
    longest: int = 0
    shortened_prompts: int = 0
    dropped_long: int = 0
    dropped_empty: int = 0
    dropped_all_masked: int = 0
    tokens: int = 0
    masked_tokens: int = 0


def sequences(value: Any, place: str = "") -> Iterator[tuple[str, Encoded]]:
    """Every Encoded in a recipe's row, with its place in it ("anchors[2]"); a row that is one itself has none."""
    if isinstance(value, Encoded):
        yield place, value
    elif dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            yield from sequences(getattr(value, each.name), f"{place}.{each.name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from sequences(each, f"{place}[{name!r}]")
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from sequences(each, f"{place}[{number}]")


def prompt_text(tokenizer: Any, prompt: rows.PromptValue) -> str:
    """The prompt as one string; chat messages go through the tokenizer's template. Raises Refused without one."""
    if isinstance(prompt, str):
        return prompt
    if not getattr(tokenizer, "chat_template", None):
        raise errors.Refused(
            "A prompt is a list of chat messages, but the base's tokenizer has no chat template. "
            "Use a base with a chat template, or prompts as plain text."
        )
    rendered: str = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    return rendered


def prompt_ids(tokenizer: Any, prompt: rows.PromptValue, *, at_most: int = 0) -> list[int]:
    """The prompt's token ids exactly as training and sampling both use them; never an end-of-text at the end.

    `at_most` is the run's max_prompt_length: a longer prompt loses its beginning; 0 leaves it whole.
    """
    text = prompt_text(tokenizer, prompt)
    ids = _without_eos(tokenizer, tokenizer(text, add_special_tokens=isinstance(prompt, str))["input_ids"])
    return fitting.shortened(tokenizer, ids, at_most=at_most or len(ids))


def encode(*, job: job.Job, tokenizer: Any, pairs: Sequence[Pair], event: str = "rows") -> list[Encoded | None]:
    """Encode in order; None where a row was dropped. The event `event` says how many and why.

    Policy: a prompt over max_prompt_length loses its beginning; a row over max_length is treated as long_rows says; a
    row whose spans cover no token, or whose tokens all count 0, is dropped. Raises Refused when spans are asked for and
    the tokenizer cannot say where its tokens lie in the text, for long rows unless the run says what becomes of them,
    for a max_length beyond what the base can read, and when no row is left.
    """
    if any(pair.spans for pair in pairs) and not tokenizer.is_fast:
        raise errors.Refused(
            "span_mask needs a tokenizer that reports token offsets (a fast tokenizer with tokenizer.json); this base "
            "has none. Set span_mask to false or use another base."
        )
    limit = fitting.of(job=job)
    counts = Counts(max_length=limit.tokens, long_rows=limit.policy)
    rules = _Rules(tokenizer=tokenizer, settings=job.settings, limit=limit)
    found: list[Encoded | None] = []
    for chunk in _chunks(pairs, CHUNK):
        found.extend(_encode_chunk(rules, chunk, counts))
        job.reporter.check()
    job.reporter.event(event, **dataclasses.asdict(counts))
    if counts.long and limit.policy == "refuse":
        what = event.replace("_", " ")
        raise fitting.refusal(limit=limit, what=what, long=counts.long, read=counts.read, longest=counts.longest)
    if not counts.kept:
        raise errors.Refused(
            f"No row can be trained on. Of {counts.read}, {counts.dropped_long} are longer than max_length "
            f"({limit.tokens} tokens), {counts.dropped_empty} are empty, and in {counts.dropped_all_masked} no token "
            "counts: spans cover none, or the weight of their severity is 0."
        )
    return found


@dataclass(frozen=True, kw_only=True)
class _Rules:
    """What a row is encoded by."""

    tokenizer: Any
    settings: spec.Hyperparameters
    limit: fitting.Limit


def _encode_chunk(rules: _Rules, pairs: Sequence[Pair], counts: Counts) -> list[Encoded | None]:
    tokenizer = rules.tokenizer
    prompts = [prompt_text(tokenizer, pair.prompt) for pair in pairs]
    specials = [isinstance(pair.prompt, str) for pair in pairs]
    heads = _ids_of(tokenizer, prompts, specials)
    wholes = _ids_of(
        tokenizer, [prompt + pair.completion for prompt, pair in zip(prompts, pairs, strict=True)], specials
    )
    encoded: list[Encoded | None] = []
    for pair, prompt, special, head, whole in zip(pairs, prompts, specials, heads, wholes, strict=True):
        tail = _tail(tokenizer, pair, prompt, special, head, whole)
        kept = fitting.shortened(tokenizer, head, at_most=rules.settings.max_prompt_length or len(head))
        counts.shortened_prompts += len(kept) < len(head)
        encoded.append(_row(rules, pair, kept, tail, counts))
    return encoded


@dataclass(kw_only=True)
class _Tail:
    """The completion's tokens and, where spans need them, each token's place in the completion (code points)."""

    ids: list[int]
    offsets: list[tuple[int, int]] | None


def _tail(tokenizer: Any, pair: Pair, prompt: str, special: bool, head: list[int], whole: list[int]) -> _Tail:
    """Cut the completion out of the jointly encoded text; encode it alone where a token straddles the border.

    Sampling continues after the prompt's own tokens, so the completion must follow exactly those.
    """
    joint = whole[: len(head)] == head
    ids = whole[len(head) :] if joint else tokenizer(pair.completion, add_special_tokens=False)["input_ids"]
    if not pair.spans:
        return _Tail(ids=ids, offsets=None)
    if not joint:
        places = tokenizer(pair.completion, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return _Tail(ids=ids, offsets=[(start, end) for start, end in places])
    places = tokenizer(prompt + pair.completion, add_special_tokens=special, return_offsets_mapping=True)
    shift = len(prompt)
    kept = places["offset_mapping"][len(head) : len(head) + len(ids)]
    return _Tail(ids=ids, offsets=[(start - shift, end - shift) for start, end in kept])


def _row(rules: _Rules, pair: Pair, whole: list[int], tail: _Tail, counts: Counts) -> Encoded | None:
    counts.read += 1
    ids = [*tail.ids, rules.tokenizer.eos_token_id] if pair.ended else tail.ids
    if not ids or not whole:
        counts.dropped_empty += 1
        return None
    head = fitting.fitted(rules.tokenizer, whole, completion=len(ids), limit=rules.limit)
    if head is None or len(head) < len(whole):
        counts.long += 1
        counts.longest = max(counts.longest, len(whole) + len(ids))
    if head is None:
        counts.dropped_long += 1
        return None
    mask = _weights(pair, tail, rules.settings, length=len(ids))
    if mask is not None and not any(mask):
        counts.dropped_all_masked += 1
        return None
    counts.kept += 1
    counts.tokens += len(ids)
    counts.masked_tokens += 0 if mask is None else mask.count(0.0)
    return Encoded(ids=head + ids, prompt_length=len(head), mask=mask)


def _weights(pair: Pair, tail: _Tail, settings: spec.Hyperparameters, *, length: int) -> list[float] | None:
    """What each completion token counts; None where each counts 1."""
    severities = weighing.severities(settings)
    if tail.offsets is not None:
        found = span_mask(tail.offsets, pair.spans, length=length, severities=severities)
    else:
        found = [severities.get(pair.severity, 1.0)] * length
    total = sum(found)
    if settings.length_normalised and total:
        return [each / total for each in found]
    return None if tail.offsets is None and found[0] == 1 else found


def span_mask(
    offsets: Sequence[tuple[int, int]],
    spans: Sequence[rows.SpanRow],
    *,
    length: int,
    severities: Mapping[str, float] | None = None,
) -> list[float]:
    """What a token counts that overlaps a span, else 0; `length` tokens, one beyond the offsets is the end-of-text.

    A token counts what the heaviest of its spans does by `severities`; 1 where a span's severity is not among them.

    >>> spans = [{"start": 5, "end": 7, "severity": "minor"}]
    >>> span_mask([(0, 3), (3, 7), (7, 9)], spans, length=4)
    [0.0, 1.0, 0.0, 0.0]
    >>> span_mask([(0, 3), (3, 7), (7, 9)], spans, length=4, severities={"minor": 0.5})
    [0.0, 0.5, 0.0, 0.0]

    A token with an empty place (a special token) is in no span. All pieces of one character carry the whole
    character's place, so they are in or out together.
    """
    weighed = [(span["start"], span["end"], (severities or {}).get(span.get("severity", ""), 1.0)) for span in spans]
    inside = [
        max((weight for first, last, weight in weighed if start < last and first < end), default=0.0)
        for start, end in offsets
    ]
    return (inside + [0.0] * length)[:length]


def _ids_of(tokenizer: Any, texts: list[str], specials: list[bool]) -> list[list[int]]:
    """Token ids of each text, with the tokenizer's own beginning-of-text for plain prompts (not after a template)."""
    found: list[list[int]] = [[] for _ in texts]
    for special in (True, False):
        places = [place for place, each in enumerate(specials) if each is special]
        if places:
            encoded = tokenizer([texts[place] for place in places], add_special_tokens=special)["input_ids"]
            for place, ids in zip(places, encoded, strict=True):
                found[place] = _without_eos(tokenizer, ids) if special else list(ids)
    return found


def _without_eos(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    return list(ids[:-1] if ids and ids[-1] == tokenizer.eos_token_id else ids)


def _chunks(items: Sequence[Pair], size: int) -> Iterator[list[Pair]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
