"""Outputs made to hurt, and every kind of check with settings that make it work hard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training_bridge.formats.checks import declared, examples

LONG = 1_000_000  # as long as an output may be

TEXTS: dict[str, Callable[[int], str]] = {
    "one word": lambda size: "a" * size,
    "a number": lambda size: "9" * size,
    "words": lambda size: "It is 5 mg, [1]. " * (size // 17),
    "stops": lambda size: "." * (size - 1) + "a",  # what goes back tries anew from each of them
    "blanks": lambda size: " \n" * (size // 2 - 1) + "a",
    "deep JSON": lambda size: "[" * (size // 10) + "]" * (size // 10),
    "deep objects": lambda size: '{"a":' * (size // 10),
    "many values": lambda size: '{"age": [' + "1," * (size // 2 - 10) + "1]}",
    "a string without end": lambda size: '"' + r"\"" * (size // 2),
    "sums": lambda size: "1 + 1 = " * (size // 8),
    "one sum": lambda size: "1/3+" * (size // 4) + "1 = 2",
    "brackets": lambda size: "(" * (size // 2) + "1 = 2" + ")" * (size // 2),
    "numbered": lambda size: "1. a\n" * (size // 5),
    "fences": lambda size: "```" * (size // 3),
    "quotes": lambda size: '"' * (size - 1) + "a",
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
RUNS_OF_ONE = ("one word", "a number", "stops", "blanks", "fences", "quotes")

DECLARATIONS: list[dict[str, Any]] = [
    *(dict(each.declaration) for each in examples.EXAMPLES),
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
CHECKS = declared.read([{**each, "name": f"{number} {each['check']}"} for number, each in enumerate(DECLARATIONS)])


def findings(named: declared.Named, output: str) -> list[Any]:
    """Ask one check, about a prompt that begins like the output."""
    return named.check.findings(prompt=output[:100_000], output=output)
