"""Checks as YAML: a list of declarations, or one alone.

    - check: length
      name: short
      most: 60
    - check: keywords
      words: [yes, no]
      least: 1

Plain data only, read by PyYAML's safe loader with less: `yes`, `no`, dates and the like are texts (only `true` and
`false` are not), no key stands twice, and anchors and aliases are refused: with them a short text can mean a huge one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import yaml

from training_bridge.formats.checks import declared

LONGEST = 50_000
DEEPEST = 40
TAG = "tag:yaml.org,2002:"

Made = TypeVar("Made")


class BadYaml(ValueError):
    """The text declares no checks. The message names the line, and so does `line`: counted from 1, None for no line."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


def read_yaml(text: str, *, loads: bool = False) -> list[declared.Named]:
    r"""Make the checks that a text declares. Raises BadYaml. `loads` is as in declared.read.

    >>> [each.name for each in read_yaml("- check: length\n  most: 60\n")]
    ['length']
    >>> read_yaml("- check: length\n  of: words\n  most: many\n")
    Traceback (most recent call last):
    training_bridge.formats.checks.written.BadYaml: line 3: check 1 (length): most is 'many'; expected a whole number
    """
    return _read(text, functools.partial(declared.read, loads=loads))[0]


def declarations(text: str, *, models: Collection[str] = (), loads: bool = False) -> list[dict[str, Any]]:
    """The same and judges that ask `models`, as plain data, as it was written, once tried. Raises BadYaml."""
    return _read(text, functools.partial(declared.read_asking, models=models, loads=loads))[1]


def to_yaml(checks: Sequence[declared.Named | declared.Asking]) -> str:
    r"""Write checks so that `read_yaml` gives the same ones, with their names.

    >>> to_yaml(read_yaml("check: keywords\nwords: [no, '1']\nmost: 0"))
    "- check: keywords\n  name: keywords\n  words:\n  - 'no'\n  - '1'\n  most: 0\n"
    """
    plain = [declared.plain(each) for each in checks]
    return yaml.dump(plain, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100) if plain else ""


def _read(text: str, make: Callable[[list[Any]], Made]) -> tuple[Made, list[dict[str, Any]]]:
    if len(text) > LONGEST:
        raise BadYaml(f"the text has {len(text):,} characters; {LONGEST:,} are taken")
    try:
        loader = _Reader(text)
        try:
            items, values = _parsed(loader)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadYaml(f"{error.problem or 'this cannot be read'}", line=mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise BadYaml(f"this is no YAML: {' '.join(str(error).split())}") from error
    try:
        return make(values), values
    except declared.BadCheck as error:
        raise BadYaml(str(error), line=_line(items, error)) from error


def _parsed(loader: Any) -> tuple[list[Any], list[Any]]:
    """The nodes of the declarations and what they are as plain data."""
    root = loader.get_single_node()
    if root is None:
        raise BadYaml("there is no check; write one, such as: check: length")
    items = list(root.value) if isinstance(root, yaml.SequenceNode) else [root]
    if not items:
        raise BadYaml("the list is empty", line=1)
    _refuse_repeated_keys(root)
    try:
        return items, [loader.construct_document(each) for each in items]
    except (ValueError, TypeError) as error:
        raise BadYaml(f"this cannot be read: {error}", line=root.start_mark.line + 1) from error


def _line(items: Sequence[Any], error: declared.BadCheck) -> int:
    """The line of the key at fault, or that on which the check begins."""
    item = items[min(error.number, len(items)) - 1]
    for key, _ in item.value if isinstance(item, yaml.MappingNode) else ():
        if key.value == error.argument:
            return int(key.start_mark.line) + 1
    return int(item.start_mark.line) + 1


def _refuse_repeated_keys(root: Any) -> None:
    for mapping in (each for each in _nodes(root) if isinstance(each, yaml.MappingNode)):
        seen = set()
        for key, _ in mapping.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != f"{TAG}str":
                raise BadYaml("a key must be a text; put it in quotes", line=line)
            if key.value in seen:
                raise BadYaml(f"the key {key.value[:40]!r} stands here a second time", line=line)
            seen.add(key.value)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for each in node.value if isinstance(node, yaml.CollectionNode) else ():
        for child in each if isinstance(each, tuple) else (each,):
            yield from _nodes(child)


class _Reader(yaml.SafeLoader):
    """The safe loader without aliases and with fewer words that are no texts. Deep nesting ends with an error."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if getattr(event, "anchor", None):
            raise BadYaml("anchors (&) and aliases (*) are not taken; put the text in quotes", line=mark.line + 1)
        if self.depth > DEEPEST:
            raise BadYaml(f"this is nested more than {DEEPEST} levels deep", line=mark.line + 1)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


class _Writer(yaml.SafeDumper):
    """The safe dumper, which puts everything in quotes that any reader of YAML could take for no text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Reader.yaml_implicit_resolvers = {}
for _tag, _expression, _first in (
    ("null", r"(?:~|null|Null|NULL|)\Z", ["~", "n", "N", ""]),
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)\Z", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)\Z", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+][0-9]+)?\Z", list("-0123456789")),
):
    _Reader.add_implicit_resolver(f"{TAG}{_tag}", re.compile(_expression), _first)
