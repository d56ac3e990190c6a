"""One example of each kind: how it is declared, what it finds, and an output that passes and one that does not.

The run form shows them, docs/checks.md describes them, and the tests run them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Example:
    """`finds` says what is a finding, without a capital and a stop. `prompt` is what both outputs answer."""

    declaration: dict[str, Any]
    finds: str
    passes: str
    violates: str
    prompt: str = ""


EXAMPLES = (
    Example(
        declaration={"check": "pattern", "pattern": "as an AI", "ignore_case": True, "most": 0},
        finds="matches beyond `most`, or fewer than `least`",
        passes="I cannot know that.",
        violates="As an AI, I cannot know that.",
    ),
    Example(
        declaration={"check": "keywords", "words": ["Paris", "Seine"], "least": 1},
        finds="words that are missing, or said too often",
        passes="Paris lies on the Seine.",
        violates="Paris lies on the Spree.",
    ),
    Example(
        declaration={"check": "length", "of": "words", "most": 120},
        finds="what is beyond `most` characters, words, sentences, lines or paragraphs, or fewer than `least`",
        passes="Yes. " * 120,
        violates="Yes. " * 121,
    ),
    Example(
        declaration={"check": "parts", "separator": "***", "least": 2, "most": 2, "different": True},
        finds="too many or too few parts, one said twice, or one that begins otherwise",
        passes="Yes.\n***\nNo.",
        violates="Yes.\n***\nYes.",
    ),
    Example(
        declaration={"check": "list_format", "style": "numbers", "least": 3, "most": 5},
        finds="too many or too few list items, and numbers that do not count on",
        passes="1. one\n2. two\n3. three",
        violates="1. one\n2. two\n4. four",
    ),
    Example(
        declaration={"check": "edges", "start": '"', "end": '"'},
        finds="a beginning or an end that is another",
        passes='"All of it."',
        violates='He said: "All of it."',
    ),
    Example(
        declaration={"check": "letter_case", "case": "lower"},
        finds="words that have capitals (`lower`) or small letters (`upper`)",
        passes="all small, in 2025.",
        violates="all small, in Rome.",
    ),
    Example(
        declaration={"check": "repeated_ngram", "words": 4, "most": 1},
        finds="the same words in a row, said more often than `most`",
        passes="It is what it is.",
        violates="It is what it is. It is what it is.",
    ),
    Example(
        declaration={"check": "number_in_source", "exceptions": [1, 2]},
        finds="a number, in digits, that the prompt does not give",
        prompt="Revenue rose from 1,200 to 1,500 euros.",
        passes="1. It rose to 1500 euros.",
        violates="1. It rose to 1550 euros.",
    ),
    Example(
        declaration={
            "check": "json_schema",
            "schema": {"required": ["age"], "properties": {"age": {"type": "integer"}}},
        },
        finds="an output that is no JSON, and values that do not fit the schema",
        passes='{"age": 9}',
        violates='{"age": "nine"}',
    ),
    Example(
        declaration={"check": "language", "languages": ["de"]},
        finds="an output, or a `paragraph`, in another language",
        passes="Das ist doch ganz einfach, nicht wahr?",
        violates="This is quite simple, is it not?",
    ),
    Example(
        declaration={"check": "citation_present", "each": "paragraph", "in_source": True},
        finds="an output, `paragraph` or `sentence` without a citation, and citations that the prompt does not give",
        prompt="[1] Lamb, 2019. [2] Ode, 2021.",
        passes="It is blue [1].\n\nIt is high (Ode, 2021).",
        violates="It is blue [3].\n\nIt is high.",
    ),
    Example(
        declaration={"check": "arithmetic"},
        finds="sums that do not hold",
        passes="12 × 3 + 1 = 37, a third is 37 / 3 ≈ 12.3.",
        violates="12 × 3 + 1 = 38.",
    ),
    Example(
        declaration={"check": "unit", "from_source": True},
        finds="a number with another unit than in the prompt, or than those `allowed`",
        prompt="Take 5 ml twice a day.",
        passes="Take 5 milliliters.",
        violates="Take 5 mg.",
    ),
    Example(
        declaration={"check": "python", "function": "training_bridge.demo.check.findings"},
        finds="what a function of this server says, which NEGATIVA_CHECKS must allow",
        prompt="Ann has 8 apples and gets 5 more. How many apples does Ann have?",
        passes="Ann has 13 apples.",
        violates="Ann has 13 pears.",
    ),
)
