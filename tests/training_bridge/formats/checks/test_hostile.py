"""Outputs made to hurt: every kind comes back, in time that grows with the text and no faster.

The slow test takes a million characters, as long as they may be, and half an hour where it shares a core. The quick one
has a fiftieth of them, for which anything quadratic already takes minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from training_bridge.formats.checks import declared, examples, finding

LONG, QUICK = 1_000_000, 20_000
SECONDS = 8  # of this thread for LONG, on a busy core; what runs away takes hours

TEXTS: dict[str, Callable[[int], str]] = {
    "one word": lambda size: "a" * size,
    "a number": lambda size: "9" * size,
    "words": lambda size: "It is 5 mg, [1]. " * (size // 17),
    "stops": lambda size: "." * size,
    "blanks": lambda size: " \n" * (size // 2),
    "deep JSON": lambda size: "[" * (size // 10) + "]" * (size // 10),
    "deep objects": lambda size: '{"a":' * (size // 10),
    "many values": lambda size: '{"age": [' + "1," * (size // 2 - 10) + "1]}",
    "a string without end": lambda size: '"' + r"\"" * (size // 2),
    "sums": lambda size: "1 + 1 = " * (size // 8),
    "one sum": lambda size: "1/3+" * (size // 4) + "1 = 2",
    "brackets": lambda size: "(" * (size // 2) + "1 = 2" + ")" * (size // 2),
    "numbered": lambda size: "1. a\n" * (size // 5),
    "fences": lambda size: "```" * (size // 3),
    "quotes": lambda size: '"' * size,
    "paragraphs": lambda size: "Das ist ein Satz.\n\n" * (size // 19),
    "turned around": lambda size: "\u202e12 = 3 + 4\u202c\u200b\u200d" * (size // 15),
    "invisible": lambda size: "\u200b" * size,
    "accents": lambda size: "a" + "\u0301" * (size - 1),
    "half a pair": lambda size: "\ud800" * size,
    "nothing": lambda size: "\0" * size,
    "years": lambda size: "(A" * (size // 4) + "2021)" * (size // 20),
    "names": lambda size: "A" * size + " (2021",
    "turkish": lambda size: "İ" * size,
}
DECLARATIONS = [
    *(each.declaration for each in examples.EXAMPLES),
    {"check": "length", "of": "sentences", "most": 3},
    {"check": "length", "of": "paragraphs", "least": LONG},
    {"check": "letter_case", "case": "upper"},
    {"check": "list_format", "style": "bullets", "most": 3},
    {"check": "language", "languages": ["en"], "each": "paragraph"},
    {"check": "citation_present", "each": "sentence"},
    {"check": "keywords", "words": ["a" * 80, "aa", '"'], "most": 0, "together": True},
    {"check": "pattern", "pattern": "([a-z]+[.]?)+[0-9]|.*=", "least": 1000},
    {"check": "repeated_ngram", "words": 20},
    {"check": "json_schema", "schema": {"properties": {"age": {"items": {"type": "string"}, "uniqueItems": True}}}},
]
CHECKS = declared.read([{**each, "name": str(number)} for number, each in enumerate(DECLARATIONS)])


def comes_back(output: str, *, within: float) -> None:
    for declaration, named in zip(DECLARATIONS, CHECKS, strict=True):
        started = time.thread_time()
        found = named.check.findings(prompt=output[:100_000], output=output)
        assert time.thread_time() - started < within, declaration
        assert len(found) <= finding.MOST
        assert all(len(each.message) < 1_000 for each in found), declaration
        assert all(each.start is None or 0 <= each.start < (each.end or 0) <= len(output) for each in found), (
            declaration
        )


@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_comes_back_soon(text: str) -> None:
    comes_back(TEXTS[text](QUICK), within=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("text", TEXTS)
def test_every_kind_comes_back_from_a_million_characters(text: str) -> None:
    comes_back(TEXTS[text](LONG), within=SECONDS)


@pytest.mark.parametrize("output", ["[" * 100_000 + "]" * 100_000, '{"age":' * 100_000 + "1" + "}" * 100_000], ids="[{")
def test_json_nested_a_hundred_thousand_deep_is_refused(output: str) -> None:
    [json_schema] = declared.read([{"check": "json_schema"}])
    [found] = json_schema.check.findings(prompt="", output=output)
    assert "nested more than 50 levels" in found.message


def test_zero_width_and_turned_text_hides_no_place() -> None:
    """Spans count every code point, seen or not."""
    [word] = declared.read([{"check": "keywords", "words": ["rock"], "most": 0}])
    [found] = word.check.findings(prompt="", output="\u202e\u200b rock\u200b!")
    assert (found.start, found.end) == (3, 7)
