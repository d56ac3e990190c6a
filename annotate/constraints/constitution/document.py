"""An approved set as a constitution: numbered principles in JSON, YAML and markdown, the same bytes every time. Pure.

The JSON and the YAML say the same; both are read back by `constitution_reading`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = "negativa-constitution"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Support:
    """What the frozen members of a constraint are: violations, the outputs they are on, and who judged those."""

    violations: int
    outputs: int
    annotators: int


@dataclass(frozen=True, slots=True)
class Principle:
    """`check`: {"version", "sha256", "declared"} of its executable check, or None."""

    number: int
    id: int
    statement: str
    tag: str
    kind: str
    support: Support
    check: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Document:
    """`approved_at` in ISO 8601, UTC. Principles by number: the one with the most violations first."""

    campaign: str
    revision: int
    sha256: str
    approved_at: str
    principles: Sequence[Principle]


def as_json(document: Document) -> bytes:
    """Return one JSON object, keys in the order of this file, ending in LF."""
    return (json.dumps(_plain(document), ensure_ascii=False, indent=2) + "\n").encode()


def as_yaml(document: Document) -> bytes:
    """Return the same as YAML 1.1 and 1.2 read it, a principle to a block, texts always in double quotes."""
    fields = _plain(document)
    principles = fields.pop("principles")
    lines = [f"{name}: {_quoted(value)}" for name, value in fields.items()]
    lines.append("principles:" if principles else "principles: []")
    for each in principles:
        marks = ["- ", *["  "] * (len(each) - 1)]
        lines += [f"{mark}{name}: {_quoted(value)}" for mark, (name, value) in zip(marks, each.items(), strict=True)]
    return ("\n".join(lines) + "\n").encode()


def as_markdown(document: Document) -> bytes:
    """Return a page for people. Statements are text in it, whatever they hold: no link, no image, no heading."""
    count = len(document.principles)
    head = (
        f"# Constitution of {_escaped(document.campaign)}, revision {document.revision}\n\n"
        f"{count} principle{'' if count == 1 else 's'}, approved {document.approved_at}.\n"
        f"sha256 of the set: {document.sha256}\n"
    )
    return "\n".join([head, *(_paragraph(each) for each in document.principles)]).encode()


WRITERS = {
    "json": (as_json, "application/json"),
    "yaml": (as_yaml, "application/yaml"),
    "md": (as_markdown, "text/markdown; charset=utf-8"),
}


def numbered(principles: Sequence[Principle]) -> list[Principle]:
    """Number principles: by violations, the most first; of equal ones the older constraint."""
    ordered = sorted(principles, key=lambda each: (-each.support.violations, each.id))
    return [dataclasses.replace(each, number=number) for number, each in enumerate(ordered, start=1)]


def _plain(document: Document) -> dict[str, Any]:
    return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(document)}


_UNPRINTABLE = re.compile(
    "[^\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\U00010000-\U0010ffff]"
)


def _quoted(value: object) -> str:
    """JSON on one line, which is YAML once what YAML calls unprintable is escaped."""
    return _UNPRINTABLE.sub(_code, json.dumps(value, ensure_ascii=False))


def _code(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _paragraph(each: Principle) -> str:
    told = [
        _escaped(each.tag),
        _escaped(each.kind),
        _counted(each.support.violations, "violation"),
        f"{_counted(each.support.outputs, 'output')} by {_counted(each.support.annotators, 'annotator')}",
        *([f"check, version {each.check['version']}"] if each.check else []),
        f"id {each.id}",
    ]
    return f"{each.number}. {_escaped(each.statement)}\n\n   {' · '.join(told)}\n"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!$]|^[-+=:]|(?<=^\d)[.)]|:(?=//)|(?<=www)\.|@)", re.IGNORECASE)


def _escaped(text: str) -> str:
    """Return text that markdown shows as it is, on one line, without characters that turn the direction of others."""
    line = "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(each) else each for each in text)
    return _SPECIAL.sub(r"\\\1", " ".join(line.split()))


def _is_hidden(character: str) -> bool:
    if character.isspace():
        return False
    return unicodedata.category(character) in ("Cc", "Cs") or unicodedata.bidirectional(character) in _TURNS


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
