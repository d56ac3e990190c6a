"""The demo's small world: word problems with units, and format rules, whose truth a program can check.

A problem is known by its prompt alone: `parse(prompt)` gives back what `Problem.prompt` wrote, so whoever judges an
output needs nothing but the prompt and the text.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

NAMES = ("Ann", "Ben", "Eve", "Tom", "Mia", "Leo", "Zoe", "Max", "Ida", "Sam", "Kim", "Joe")
THINGS = ("apples", "pears", "coins", "books", "eggs", "cards", "shells", "pens", "cups", "keys")
LENGTHS = ("km", "miles", "metres")
WEIGHTS = ("kg", "pounds", "grams")

PRETRAIN, HELD_IN, HELD_OUT = "pretrain", "held-in", "held-out"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A form of problem. `question` names the fields of Problem."""

    question: str
    sign: str
    verb: str
    units: tuple[str, ...]


KINDS = {
    "gain": Kind(
        question="{name} has {first} {unit} and gets {second} more. How many {unit} does {name} have?",
        sign="+",
        verb="has",
        units=THINGS,
    ),
    "lose": Kind(
        question="{name} has {first} {unit} and gives away {second}. How many {unit} does {name} have?",
        sign="-",
        verb="has",
        units=THINGS,
    ),
    "walk": Kind(
        question="{name} walks {first} {unit} and then {second} {unit}. How far does {name} walk?",
        sign="+",
        verb="walks",
        units=LENGTHS,
    ),
    "carry": Kind(
        question="{name} carries {first} {unit} and drops {second} {unit}. How much does {name} carry?",
        sign="-",
        verb="carries",
        units=WEIGHTS,
    ),
}

# What each format rule says in the prompt. No rule: any complete answer will do.
RULES = {
    "none": "",
    "sum": "Show the sum.",
    "capitals": "Answer in capital letters.",
    "sentence": "Answer in one sentence.",
    "number": "Answer with the number only.",
    "begin": "Begin with the word Answer.",
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    kind: str
    name: str
    first: int
    second: int
    unit: str
    rule: str

    @property
    def result(self) -> int:
        return self.first + self.second if self.sign == "+" else self.first - self.second

    @property
    def sign(self) -> str:
        return KINDS[self.kind].sign

    @property
    def verb(self) -> str:
        return KINDS[self.kind].verb

    @property
    def prompt(self) -> str:
        question = KINDS[self.kind].question.format(
            name=self.name, first=self.first, second=self.second, unit=self.unit
        )
        return f"{question} {RULES[self.rule]}".rstrip()


def parse(prompt: str) -> Problem | None:
    """Return the problem a prompt of this world asks, or None for any other text."""
    for kind, pattern in _PATTERNS.items():
        match = pattern.fullmatch(prompt.strip())
        if match:
            found = match.groupdict()
            return Problem(
                kind=kind,
                name=found["name"],
                first=int(found["first"]),
                second=int(found["second"]),
                unit=found["unit"],
                rule=_RULE_OF[found["rule"] or ""],
            )
    return None


def problems(pool: str, *, seed: int) -> Iterator[Problem]:
    """Yield distinct problems of one pool, without end; the same seed gives the same ones.

    The pools are disjoint by the prompt's hash: what the base model learnt from, what is judged and trained on
    (held in) and what is only ever measured (held out).
    """
    rng = random.Random(f"{pool} {seed}")
    seen: set[str] = set()
    while True:
        problem = random_problem(rng)
        if problem.prompt not in seen and pool_of(problem.prompt) == pool:
            seen.add(problem.prompt)
            yield problem


def random_problem(rng: random.Random) -> Problem:
    kind = rng.choice(tuple(KINDS))
    adds = KINDS[kind].sign == "+"
    second = rng.randint(2, 12)
    return Problem(
        kind=kind,
        name=rng.choice(NAMES),
        first=rng.randint(2, 12) if adds else second + rng.randint(2, 12),
        second=second,
        unit=rng.choice(KINDS[kind].units),
        rule=rng.choice(tuple(RULES)),
    )


def pool_of(prompt: str) -> str:
    bucket = int(hashlib.sha256(prompt.encode()).hexdigest()[:8], 16) % 10
    return (PRETRAIN, HELD_IN, HELD_OUT)[(bucket >= 6) + (bucket >= 8)]


def _pattern(question: str) -> re.Pattern[str]:
    """Turn a question into a pattern; a field's second mention must repeat the first."""
    pattern = re.escape(question)
    for field, form in (("name", r"[A-Z]\w*"), ("first", r"\d{1,4}"), ("second", r"\d{1,4}"), ("unit", r"[a-z]+")):
        place = re.escape(f"{{{field}}}")
        pattern = pattern.replace(place, f"(?P<{field}>{form})", 1).replace(place, f"(?P={field})")
    rules = "|".join(re.escape(text) for text in RULES.values() if text)
    return re.compile(rf"{pattern}(?: (?P<rule>{rules}))?")


_PATTERNS = {name: _pattern(kind.question) for name, kind in KINDS.items()}
_RULE_OF = {text: rule for rule, text in RULES.items()}
