from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import transformers

from tests.training_bridge.trainer import toys
from training_bridge.formats import rows, rundir
from training_bridge.trainer import data, errors, job

JobOf = Callable[[rundir.RunDir], job.Job]
EOS = 1


def span(start: int, end: int) -> rows.SpanRow:
    return {"start": start, "end": end, "tag": "unit", "severity": "major", "constraint": None}


def byte_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """A byte-level BPE without merges: every character outside ASCII is several tokens."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = {word: number for number, word in enumerate(["<pad>", "</s>", *alphabet])}
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(words, []))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = tokenizers.decoders.ByteLevel()
    return toys.wrapped(inner)


def pair_tokenizer() -> transformers.PreTrainedTokenizerFast:
    """Joins `=1` into one token, so a prompt ending in `=` and a completion starting with `1` would share it."""
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "=", "1", "2", "=1"])}
    inner = tokenizers.Tokenizer(tokenizers.models.BPE(words, [("=", "1")]))
    return toys.wrapped(inner)


@pytest.fixture
def encode(make: Callable[..., rundir.RunDir], job_of: JobOf) -> Callable[..., list[data.Encoded | None]]:
    number = 0

    def run(pairs: list[data.Pair], tokenizer: Any = None, **settings: Any) -> list[data.Encoded | None]:
        nonlocal number
        number += 1
        work = job_of(make(f"run-{number}", method="kto", **settings))
        return data.encode(job=work, tokenizer=tokenizer or toys.character_tokenizer(), pairs=pairs)

    return run


def test_encode_ends_a_completion(encode: Callable[..., list[data.Encoded]]) -> None:
    [item] = encode([data.Pair(prompt="2 + 2 = ", completion="4.")])
    assert item.prompt_length == 8
    assert item.length == 3
    assert item.ids[-1] == EOS
    assert item.mask is None


def test_encode_does_not_end_what_was_cut_off(encode: Callable[..., list[data.Encoded]]) -> None:
    [item] = encode([data.Pair(prompt="a", completion="bc", ended=False)])
    assert item.length == 2
    assert EOS not in item.ids


@pytest.mark.parametrize("text", ["ab🙂cd", "कंना ab", "é\u0301ab 🙂🙂", "a\r\nb"])
def test_encode_masks_spans_by_code_point(encode: Callable[..., list[data.Encoded]], text: str) -> None:
    """One token a character: the mask is the span itself; no surrogate pair or combining mark shifts it."""
    for start in range(len(text)):
        [item] = encode([data.Pair(prompt="🙂 क? ", completion=text, spans=[span(start, start + 1)])])
        assert item.mask == [1.0 if place == start else 0.0 for place in range(len(text))] + [0.0]


def test_encode_masks_all_bytes_of_a_character(encode: Callable[..., list[data.Encoded]]) -> None:
    text = "aकb🙂c"
    sizes = [len(letter.encode()) for letter in text]
    for start, size in enumerate(sizes):
        [item] = encode([data.Pair(prompt="🙂: ", completion=text, spans=[span(start, start + 1)])], byte_tokenizer())
        before = sum(sizes[:start])
        assert item.mask is not None
        assert [place for place, weight in enumerate(item.mask) if weight] == list(range(before, before + size))


def test_encode_counts_an_overlapping_token_as_inside() -> None:
    mask = data.span_mask([(0, 4), (4, 9), (9, 12)], [span(3, 5)], length=4)
    assert mask == [1.0, 1.0, 0.0, 0.0]


def test_encode_keeps_the_prompt_as_sampling_sees_it(encode: Callable[..., list[data.Encoded]]) -> None:
    tokenizer = pair_tokenizer()
    [item] = encode([data.Pair(prompt="2=", completion="12", spans=[span(1, 2)])], tokenizer)
    assert item.ids[: item.prompt_length] == data.prompt_ids(tokenizer, "2=")
    assert item.ids[item.prompt_length :] == [3, 4, EOS]
    assert item.mask == [0.0, 1.0, 0.0]


def test_encode_truncates_and_drops_by_the_stated_policy(make: Callable[..., rundir.RunDir], job_of: JobOf) -> None:
    place = make(method="kto", max_length=8)
    found = data.encode(
        job=job_of(place),
        tokenizer=toys.character_tokenizer(),
        pairs=[
            data.Pair(prompt="abcd", completion="efghijkl"),
            data.Pair(prompt="abcdefgh", completion="i"),
            data.Pair(prompt="abcd", completion="efghijkl", spans=[span(6, 8)]),
            data.Pair(prompt="abcd", completion="efg"),
        ],
    )
    assert [item is not None for item in found] == [True, False, False, True]
    assert found[0] is not None
    assert len(found[0].ids) == 8
    assert EOS not in found[0].ids
    [event] = [event for event in place.read_events() if event["kind"] == "rows"]
    told = {name: event[name] for name in ("read", "kept", "truncated", "dropped_long_prompt", "dropped_all_masked")}
    assert told == {"read": 4, "kept": 2, "truncated": 2, "dropped_long_prompt": 1, "dropped_all_masked": 1}


def test_encode_refuses_when_no_row_is_left(encode: Callable[..., list[data.Encoded]]) -> None:
    with pytest.raises(errors.Refused, match=r"No row can be trained on\. Of 1, 1 have a prompt of max_length"):
        encode([data.Pair(prompt="abcdefgh", completion="i")], max_length=4)


def test_encode_refuses_spans_without_offsets(
    encode: Callable[..., list[data.Encoded]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = toys.character_tokenizer()
    monkeypatch.setattr(type(slow), "is_fast", False)
    with pytest.raises(errors.Refused, match="span_mask needs a tokenizer that reports token offsets"):
        encode([data.Pair(prompt="a", completion="b", spans=[span(0, 1)])], slow)


def test_prompt_text_of_messages_goes_through_the_template() -> None:
    tokenizer = toys.character_tokenizer()
    messages = [{"role": "user", "content": "hi"}]
    with pytest.raises(errors.Refused, match="no chat template"):
        data.prompt_text(tokenizer, messages)
    tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant: "
    assert data.prompt_text(tokenizer, messages) == "user: hi\nassistant: "


def test_encode_of_messages_and_text_together(encode: Callable[..., list[data.Encoded]], tmp_path: Path) -> None:
    tokenizer = toys.character_tokenizer()
    tokenizer.chat_template = "{{ messages[0].content }}= "
    items = encode(
        [
            data.Pair(prompt=[{"role": "user", "content": "1+1 "}], completion="2"),
            data.Pair(prompt="1+1 = ", completion="2"),
        ],
        tokenizer,
    )
    assert items[0].ids == items[1].ids


def test_shortened_keeps_the_end_of_a_prompt_and_its_beginning_of_text() -> None:
    tokenizer = toys.character_tokenizer()
    ids = data.prompt_ids(tokenizer, "abcdefgh")
    assert data.shortened(tokenizer, ids, at_most=3) == data.prompt_ids(tokenizer, "fgh")
    assert data.shortened(tokenizer, ids, at_most=0) == data.shortened(tokenizer, ids, at_most=8) == ids
    tokenizer.bos_token = "a"
    assert data.shortened(tokenizer, ids, at_most=3) == data.prompt_ids(tokenizer, "agh")


def test_encode_shortens_prompts_as_sampling_does_and_counts_them(
    make: Callable[..., rundir.RunDir], job_of: JobOf
) -> None:
    place = make(method="kto", max_length=8, max_prompt_length=4)
    tokenizer = toys.character_tokenizer()
    pairs = [data.Pair(prompt="abcdefgh", completion="ijk", spans=[span(1, 2)]), data.Pair(prompt="ab", completion="c")]
    found = data.encode(job=job_of(place), tokenizer=tokenizer, pairs=pairs)
    assert found[0] is not None
    assert found[0].ids[: found[0].prompt_length] == data.prompt_ids(tokenizer, "abcdefgh", at_most=4)
    assert found[0].mask == [0.0, 1.0, 0.0, 0.0]
    [event] = [event for event in place.read_events() if event["kind"] == "rows"]
    assert event["shortened_prompts"] == 1
