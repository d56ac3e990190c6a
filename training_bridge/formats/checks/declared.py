"""Checks as plain data, such as `{"check": "length", "most": 60}`: in a run's spec, over the API, with a constraint.

`written` reads and writes the same as YAML; docs/checks.md describes every kind.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training_bridge.formats import rows
from training_bridge.formats.checks import (
    arithmetic,
    citation_present,
    edges,
    finding,
    json_schema,
    judge,
    keywords,
    language,
    length,
    letter_case,
    list_format,
    number_in_source,
    parts,
    pattern,
    python_function,
    repeated_ngram,
    unit,
)

JUDGE = "judge"
KINDS: dict[str, type[Any]] = {
    "arithmetic": arithmetic.Arithmetic,
    "citation_present": citation_present.CitationPresent,
    "edges": edges.Edges,
    "json_schema": json_schema.JsonSchema,
    "keywords": keywords.Keywords,
    "language": language.Language,
    "length": length.Length,
    "letter_case": letter_case.LetterCase,
    "list_format": list_format.ListFormat,
    "number_in_source": number_in_source.NumberInSource,
    "parts": parts.Parts,
    "pattern": pattern.Pattern,
    "python": python_function.PythonFunction,
    "repeated_ngram": repeated_ngram.RepeatedNgram,
    "unit": unit.Unit,
}
MOST = 50
LONGEST_NAME = 80
LONGEST_TEXT = 20_000
UNSTORED = re.compile("[\0\ud800-\udfff]")


class BadCheck(ValueError):
    """A declaration that is none. `number` counts checks from 1; `argument` is the key at fault, where there is one."""

    def __init__(self, message: str, *, number: int, argument: str | None = None) -> None:
        super().__init__(message)
        self.number = number
        self.argument = argument


@dataclass(frozen=True, kw_only=True)
class Named:
    """A check and what it is called where its findings are counted."""

    name: str
    check: finding.Check


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A check that is a question to a model, and what it is called where its findings are counted."""

    name: str
    judge: judge.Judge


def read(declared: Sequence[Any], *, loads: bool = False) -> list[Named]:
    """Make the declared checks. Raises BadCheck with a sentence that says which one is wrong and why.

    No judge is among them. A check without a name has its kind's; names are made different by a number. `loads` finds
    now what a check needs of this process (a Python function), as the process should that will run it.

    >>> [each.name for each in read([{"check": "length", "most": 9}, {"check": "length", "least": 2}])]
    ['length', 'length 2']
    >>> read([{"check": "length", "words": 9}])
    Traceback (most recent call last):
    training_bridge.formats.checks.declared.BadCheck: check 1 (length) has no argument 'words'; it has least, most, of
    """
    return [each for each in _read(declared, loads=loads, models=None) if isinstance(each, Named)]


def read_asking(declared: Sequence[Any], *, models: Collection[str], loads: bool = False) -> list[Named | Asking]:
    """The same with judges, which may ask `models`: those that are configured here.

    >>> [one] = read_asking([{"check": "judge", "model": "local", "question": "Is it rude?"}], models=["local"])
    >>> one.judge.question
    'Is it rude?'
    """
    return _read(declared, loads=loads, models=models)


def _read(declared: Sequence[Any], *, loads: bool, models: Collection[str] | None) -> list[Named | Asking]:
    if len(declared) > MOST:
        raise BadCheck(f"there are {len(declared)} checks; at most {MOST} are taken", number=MOST + 1)
    found: list[Named | Asking] = []
    for number, values in enumerate(declared, start=1):
        check = _check(values, number=number)
        if loads and hasattr(check, "load"):
            check.load()
        name = _name(values, taken={each.name for each in found}, number=number)
        if isinstance(check, judge.Judge):
            _check_model(check, models, number=number)
            found.append(Asking(name=name, judge=check))
        else:
            found.append(Named(name=name, check=check))
    return found


def _check_model(check: judge.Judge, models: Collection[str] | None, *, number: int) -> None:
    place = f"check {number} ({JUDGE})"
    if models is None:
        message = (
            f"{place} asks a model, which may answer otherwise when it is asked again. A run's checks must say the "
            "same after a restart and in each of its processes, so a judge may check a constraint and is no reward"
        )
        raise BadCheck(message, number=number, argument="check")
    if check.model not in models:
        there = f"there are {', '.join(sorted(models))}" if models else "there is none: NEGATIVA_MODELS names them"
        message = f"{place}: model is {finding.quote(repr(check.model))}, which is not configured here; {there}"
        raise BadCheck(message, number=number, argument="model")


def plain(named: Named | Asking) -> dict[str, Any]:
    """The declaration that `read` makes this check of again: its kind and name, and each argument that has been said.

    >>> [one] = read([{"check": "length", "most": 9}])
    >>> plain(one)
    {'check': 'length', 'name': 'length', 'most': 9}
    """
    check: Any = named.judge if isinstance(named, Asking) else named.check
    [kind] = [kind for kind, made in {**KINDS, JUDGE: judge.Judge}.items() if isinstance(check, made)]
    said = {
        each.name: value for each in dataclasses.fields(check) if (value := getattr(check, each.name)) != each.default
    }
    return {"check": kind, "name": named.name, **said}


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


def _check(values: Any, *, number: int) -> Any:
    if not isinstance(values, Mapping) or not isinstance(values.get("check"), str):
        example = json.dumps({"check": "length", "most": 60})
        message = f'check {number} must be an object with the key "check", such as {example}'
        raise BadCheck(message, number=number)
    kind = judge.Judge if values["check"] == JUDGE else KINDS.get(values["check"])
    if kind is None:
        message = f"check {number} is {values['check']!r}; it may be {', '.join(sorted([*KINDS, JUDGE]))}"
        raise BadCheck(message, number=number, argument="check")
    place = f"check {number} ({values['check']})"
    arguments = {name: value for name, value in values.items() if name not in ("check", "name")}
    _check_arguments(kind, arguments, place=place, number=number)
    try:
        return kind(**arguments)
    except ValueError as error:
        argument = next((each for each in arguments if re.match(rf"(the )?{each}\b", str(error))), None)
        raise BadCheck(f"{place}: {error}", number=number, argument=argument) from error


def _check_arguments(kind: type[Any], arguments: Mapping[str, Any], *, place: str, number: int) -> None:
    known = {each.name: each for each in dataclasses.fields(kind)}
    for name, value in arguments.items():
        if name not in known:
            message = f"{place} has no argument {name!r}; it has {', '.join(sorted(known))}"
            raise BadCheck(message, number=number, argument=name)
        if not _fits(value, str(known[name].type)):
            message = f"{place}: {name} is {finding.quote(repr(value))}; expected {_expected(str(known[name].type))}"
            raise BadCheck(message, number=number, argument=name)
    missing = [name for name, each in known.items() if name not in arguments and each.default is dataclasses.MISSING]
    if missing:
        raise BadCheck(f"{place} lacks {', '.join(missing)}", number=number)


def _expected(type_name: str) -> str:
    """What may stand there, in words.

    >>> _expected("list[str] | None")
    'a list of texts'
    """
    kind = type_name.removesuffix(" | None")
    return f"a list of {WORDS[kind[5:-1]][2:]}s" if kind.startswith("list[") else WORDS[kind]


def _fits(value: Any, type_name: str) -> bool:
    if value is None:
        return "None" in type_name
    expected = type_name.removesuffix(" | None")
    if isinstance(value, list) and expected.startswith("list["):
        return all(_fits(each, expected[5:-1]) for each in value)
    return FITTING[expected](value) if expected in FITTING else False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    """A text that can be stored: no NUL, no half of a surrogate pair."""
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and not UNSTORED.search(value)


WORDS = {
    "str": "a text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "dict[str, Any]": "a mapping",
}
FITTING: dict[str, Any] = {
    "str": _is_text,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "dict[str, Any]": lambda value: isinstance(value, dict),
}


def _name(values: Mapping[str, Any], *, taken: set[str], number: int) -> str:
    asked = values.get("name")
    if asked is None:
        return _free_name(str(values["check"]), taken)
    if not _is_text(asked) or not asked.strip() or len(asked) > LONGEST_NAME:
        message = f"check {number}: name must be a text of 1 to {LONGEST_NAME} characters"
        raise BadCheck(message, number=number, argument="name")
    if asked in taken:
        message = f"check {number}: there is another check named {asked!r}"
        raise BadCheck(message, number=number, argument="name")
    return str(asked)


def _free_name(kind: str, taken: set[str]) -> str:
    if kind not in taken:
        return kind
    number = 2
    while f"{kind} {number}" in taken:
        number += 1
    return f"{kind} {number}"
