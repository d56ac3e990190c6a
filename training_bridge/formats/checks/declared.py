"""Checks as a run's spec carries them: plain data, such as `{"check": "max_length", "words": 60}`.

The same data can be kept with a constraint set, sent over the API and read by the trainer.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training_bridge.formats import rows
from training_bridge.formats.checks import (
    finding,
    forbidden_pattern,
    max_length,
    number_in_source,
    python_function,
    repeated_ngram,
    required_pattern,
)

KINDS: dict[str, type[Any]] = {
    "forbidden_pattern": forbidden_pattern.ForbiddenPattern,
    "max_length": max_length.MaxLength,
    "number_in_source": number_in_source.NumberInSource,
    "python": python_function.PythonFunction,
    "repeated_ngram": repeated_ngram.RepeatedNgram,
    "required_pattern": required_pattern.RequiredPattern,
}
MOST = 50
LONGEST_NAME = 80


@dataclass(frozen=True, kw_only=True)
class Named:
    """A check and what it is called where its findings are counted."""

    name: str
    check: finding.Check


def read(declared: Sequence[Any], *, loads: bool = False) -> list[Named]:
    """Make the declared checks. Raises ValueError with a sentence that says which one is wrong and why.

    A check without a name has its kind's; names are made different by a number. `loads` imports Python functions now,
    as the process should that will call them.

    >>> [each.name for each in read([{"check": "max_length", "words": 9}, {"check": "max_length", "characters": 80}])]
    ['max_length', 'max_length 2']
    >>> read([{"check": "max_size"}])
    Traceback (most recent call last):
    ValueError: check 1 is 'max_size'; it may be forbidden_pattern, max_length, number_in_source, python, repeated_ngram, required_pattern
    """  # noqa: E501 - a doctest's message is one line
    if len(declared) > MOST:
        raise ValueError(f"there are {len(declared)} checks; at most {MOST} are taken")
    found: list[Named] = []
    for number, values in enumerate(declared, start=1):
        check = _check(values, place=f"check {number}")
        if loads and isinstance(check, python_function.PythonFunction):
            check.load()
        taken = {each.name for each in found}
        found.append(Named(name=_name(values, taken=taken, place=f"check {number}"), check=check))
    return found


def text_of(prompt: rows.PromptValue) -> str:
    """Return a prompt as checks see it: its text, or its messages' texts without a template.

    >>> text_of([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])
    'Be brief.\\n\\nWhy?'
    """
    if isinstance(prompt, str):
        return prompt
    return "\n\n".join(_content(message.get("content")) for message in prompt)


def _content(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(part["text"]) for part in value if isinstance(part, dict) and "text" in part)
    return value if isinstance(value, str) else ""


def _check(values: Any, *, place: str) -> Any:
    if not isinstance(values, Mapping) or not isinstance(values.get("check"), str):
        raise ValueError(
            f'{place} must be an object with the key "check", such as {{"check": "max_length", "words": 60}}'
        )
    kind = KINDS.get(values["check"])
    if kind is None:
        raise ValueError(f"{place} is {values['check']!r}; it may be {', '.join(sorted(KINDS))}")
    place = f"{place} ({values['check']})"
    arguments = {name: value for name, value in values.items() if name not in ("check", "name")}
    known = {each.name: each for each in dataclasses.fields(kind)}
    for name, value in arguments.items():
        if name not in known:
            raise ValueError(f"{place} has no argument {name!r}; it has {', '.join(sorted(known))}")
        if not _fits(value, str(known[name].type)):
            raise ValueError(f"{place}: {name} is {value!r}; expected {known[name].type}")
    missing = [name for name, each in known.items() if name not in arguments and each.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{place} lacks {', '.join(missing)}")
    try:
        return kind(**arguments)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _fits(value: Any, type_name: str) -> bool:
    if value is None:
        return "None" in type_name
    if isinstance(value, bool):
        return type_name == "bool"
    if type_name.startswith("list[float]"):
        return isinstance(value, list) and all(_is_number(each) for each in value)
    kinds: dict[str, type] = {"str": str, "int": int, "int | None": int}
    return type_name in kinds and isinstance(value, kinds[type_name])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _name(values: Mapping[str, Any], *, taken: set[str], place: str) -> str:
    asked = values.get("name")
    if asked is None:
        kind, number = str(values["check"]), 2
        if kind not in taken:
            return kind
        while f"{kind} {number}" in taken:
            number += 1
        return f"{kind} {number}"
    if not isinstance(asked, str) or not asked.strip() or len(asked) > LONGEST_NAME:
        raise ValueError(f"{place}: name must be a text of 1 to {LONGEST_NAME} characters")
    if asked in taken:
        raise ValueError(f"{place}: there is another check named {asked!r}")
    return asked
