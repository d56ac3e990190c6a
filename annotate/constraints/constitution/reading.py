"""Read a constitution that somebody brings, in JSON or YAML: whole, or what is wrong with it line by line. Pure.

It is hostile: read up to a size, a depth and a number of principles; no aliases, no tags of types, no doubled keys, no
unknown ones.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from annotate.constraints.constitution import document as constitution

LARGEST = 1024 * 1024
DEEPEST = 24
MOST = 2000
LONGEST_STATEMENT = 500
LONGEST_TAG = 120
PROBLEMS_TOLD = 20
KEYS = frozenset({"number", "id", "statement", "tag", "kind", "support", "check"})
TOP_KEYS = frozenset({"format", "version", "campaign", "revision", "sha256", "approved_at", "principles"})
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    line: int
    reason: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.reason}."


class Unreadable(ValueError):
    """The file is no constitution. `problems` has at most PROBLEMS_TOLD of them, by line."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(" ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Brought:
    """A principle of the file. `kind` is empty where the file does not say; `check` has what its check declares."""

    line: int
    statement: str
    tag: str
    kind: str
    check: Sequence[Any] | None


def read(data: bytes) -> list[Brought]:
    """Return the principles of a file, in its order. Raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable(Problem(1, f"the file has {len(data):,} bytes; at most {LARGEST:,} are read"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(Problem(line, f"byte {data[error.start]:#04x} is not UTF-8")) from error
    top, principles = _from_json(text) if text.lstrip().startswith("{") else _from_yaml(text)
    _check_top(top, len(principles))
    return _checked(principles)


Placed = list[tuple[int, Any]]


def _check_top(top: dict[str, Any], count: int) -> None:
    if top.get("format") != constitution.FORMAT or top.get("version") != constitution.VERSION:
        raise Unreadable(
            Problem(1, f"this is no constitution: format must be {constitution.FORMAT}, version {constitution.VERSION}")
        )
    if unknown := sorted(map(str, top.keys() - TOP_KEYS)):
        raise Unreadable(Problem(1, f"“{unknown[0][:60]}” is nothing that a constitution says"))
    if not 1 <= count <= MOST:
        raise Unreadable(Problem(1, f"it has {count:,} principles; between 1 and {MOST:,} are read"))


def _checked(principles: Placed) -> list[Brought]:
    found: list[Brought] = []
    problems: list[Problem] = []
    lines: dict[tuple[str, str], int] = {}
    for line, value in principles:
        try:
            each = _brought(line, value)
            twin = lines.get((each.tag, each.statement))
            if twin is not None:
                raise ValueError(f"it says the same as line {twin}")
            lines[each.tag, each.statement] = line
            found.append(each)
        except ValueError as error:
            problems.append(Problem(line, str(error)))
    if problems:
        raise Unreadable(*problems[:PROBLEMS_TOLD])
    return found


def _brought(line: int, value: Any) -> Brought:
    if not isinstance(value, dict):
        raise ValueError("a principle has keys and values")
    if unknown := sorted(map(str, value.keys() - KEYS)):
        raise ValueError(f"“{unknown[0][:60]}” is nothing that a principle says")
    return Brought(
        line=line,
        statement=_text(value, "statement", LONGEST_STATEMENT),
        tag=_text(value, "tag", LONGEST_TAG),
        kind=_text(value, "kind", 20) if value.get("kind") is not None else "",
        check=_check(value.get("check")),
    )


def _text(value: dict[str, Any], name: str, longest: int) -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ValueError(f"{name} must be a text" if name in value else f"{name} is missing")
    line = " ".join(text.split())
    if not line:
        raise ValueError(f"{name} is empty")
    if len(line) > longest:
        raise ValueError(f"{name} has {len(line)} characters; {longest} fit")
    broken = next((each for each in line if unicodedata.category(each) in ("Cc", "Cs")), None)
    if broken is not None:
        raise ValueError(f"{name} has the control character U+{ord(broken):04X}")
    return line


def _check(value: Any) -> Sequence[Any] | None:
    if value is None:
        return None
    declared = value.get("declared") if isinstance(value, dict) else None
    if not isinstance(declared, list) or not declared:
        raise ValueError("check must be nothing, or have under “declared” the list of what it checks")
    return declared


def _from_json(text: str) -> tuple[dict[str, Any], Placed]:
    decoder = json.JSONDecoder(object_pairs_hook=_single, parse_constant=_no_constant, parse_int=_integer)
    try:
        _require_shallow(text)
        top = decoder.decode(text)
        places = _lines_of_principles(text, decoder)
    except json.JSONDecodeError as error:
        raise Unreadable(Problem(error.lineno, f"this is not JSON ({error.msg}, column {error.colno})")) from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(Problem(1, f"this is not JSON that can be read: {error}")) from error
    return _parted(top, places)


def _parted(top: Any, places: Sequence[int]) -> tuple[dict[str, Any], Placed]:
    if not isinstance(top, dict) or not isinstance(top.get("principles"), list):
        raise Unreadable(Problem(1, "“principles” must be a list"))
    return top, list(zip(places, top["principles"], strict=True))


_SPACE = re.compile(r"[ \t\r\n]*")


def _lines_of_principles(text: str, decoder: json.JSONDecoder) -> list[int]:
    """Return on which line each item of "principles" begins, in text that is known to be one JSON object."""
    lines: list[int] = []

    def items(at: int, end: str, take: Callable[[int], int]) -> int:
        at = _after_space(text, at + 1)
        while text[at] != end:
            at = _after_space(text, take(at))
            at = _after_space(text, at + 1) if text[at] == "," else at
        return at + 1

    def principle(at: int) -> int:
        lines.append(text.count("\n", 0, at) + 1)
        return decoder.raw_decode(text, at)[1]

    def field(at: int) -> int:
        key, at = decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)
        if key == "principles" and text[at] == "[":
            return items(at, "]", principle)
        return decoder.raw_decode(text, at)[1]

    items(_after_space(text, 0), "}", field)
    return lines


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


def _require_shallow(text: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"“{next(name for name in names if names.count(name) > 1)[:60]}” is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _integer(digits: str) -> int:
    if len(digits) > 30:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _from_yaml(text: str) -> tuple[dict[str, Any], Placed]:
    try:
        _require_plain(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        top = {} if node is None else _constructed(loader, node)
    except Unreadable:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable(Problem(line, f"this cannot be read: {error.problem or error.context}")) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError) as error:
        raise Unreadable(Problem(1, "this cannot be read as JSON or YAML")) from error
    return _parted(top, [each.start_mark.line + 1 for each in _principle_nodes(node)])


def _require_plain(text: str) -> None:
    """Look at the events alone, before anything is built of them."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise Unreadable(Problem(line, "anchors (&) and aliases (*) are not taken"))
        if getattr(event, "tag", None):
            raise Unreadable(Problem(line, "types (!) are not taken"))
        if depth > DEEPEST:
            raise Unreadable(Problem(line, f"it is nested more than {DEEPEST} levels deep"))


def _constructed(loader: Any, node: Any) -> Any:
    for mapping in _mappings(node):
        names = [key.value for key, _ in mapping.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) != len(mapping.value):
            raise Unreadable(Problem(mapping.start_mark.line + 1, "a key is there twice, or is no text"))
    return loader.construct_document(node)


def _mappings(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


def _principle_nodes(node: Any) -> list[Any]:
    if not isinstance(node, yaml.MappingNode):
        return []
    lists = [value for key, value in node.value if key.value == "principles" and isinstance(value, yaml.SequenceNode)]
    return list(lists[0].value) if lists else []
