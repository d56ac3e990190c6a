"""The few marks of Markdown that guidelines use, as plain values. No HTML comes out: the template writes it, escaped.

Headings (#), lists (- and 1.), quotes (>), fenced code, **bold**, *emphasis*, `code` and [links](https://...). Anything
else, HTML too, stays the text it is. Every pattern is bounded, so no text takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

INLINE = re.compile(
    r"\*\*(?P<strong>[^*\n]{1,300})\*\*"
    r"|`(?P<code>[^`\n]{1,300})`"
    r"|\*(?P<em>[^*\s][^*\n]{0,300})\*"
    r"|\[(?P<label>[^\]\[\n]{1,300})\]\((?P<url>https?://[^\s()]{1,500})\)"
)
LINE = re.compile(r"(?P<heading>#{1,4}) +|(?P<bullet>[-*]) +|(?P<number>\d{1,3}[.)]) +|(?P<quote>>) ?")
FENCE = "```"


@dataclass(frozen=True)
class Span:
    """`kind` is text, strong, em, code or link; `url` only for a link, and then http or https."""

    kind: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Block:
    """`kind` is heading, bullet, number, quote, code or paragraph; a list has a line for each item."""

    kind: str
    lines: tuple[tuple[Span, ...], ...]


def blocks(text: str) -> list[Block]:
    """Read Markdown-like text into blocks."""
    found: list[Block] = []
    for is_code, part in _fenced(text.replace("\r\n", "\n")):
        if is_code:
            found.append(Block(kind="code", lines=((Span(kind="text", text=part),),)))
        else:
            found.extend(_plain(part))
    return found


def spans(line: str) -> tuple[Span, ...]:
    """Read the marks inside one line."""
    found: list[Span] = []
    at = 0
    for match in INLINE.finditer(line):
        if match.start() > at:
            found.append(Span(kind="text", text=line[at : match.start()]))
        found.append(_marked(match))
        at = match.end()
    if at < len(line):
        found.append(Span(kind="text", text=line[at:]))
    return tuple(found)


def _fenced(text: str) -> Iterator[tuple[bool, str]]:
    """Pieces outside and inside of ``` lines; a fence that is never closed ends with the text."""
    is_code, lines = False, list[str]()
    for line in text.split("\n"):
        if line.strip().startswith(FENCE):
            yield is_code, "\n".join(lines)
            is_code, lines = not is_code, []
        else:
            lines.append(line)
    yield is_code, "\n".join(lines)


def _plain(text: str) -> Iterator[Block]:
    typed = [_typed(line.strip()) for line in text.split("\n")]
    for kind, group in groupby(typed, key=lambda each: each[0]):
        lines = [line for _, line in group]
        if kind == "heading":
            yield from (Block(kind=kind, lines=(spans(line),)) for line in lines)
        elif kind:
            yield Block(kind=kind, lines=tuple(spans(line) for line in lines))


def _typed(line: str) -> tuple[str, str]:
    if not line:
        return "", ""
    match = LINE.match(line)
    if match is None or not match.lastgroup:
        return "paragraph", line
    return match.lastgroup, line[match.end() :]


def _marked(match: re.Match[str]) -> Span:
    if match["url"]:
        return Span(kind="link", text=match["label"], url=match["url"])
    kind = match.lastgroup or "text"
    return Span(kind=kind, text=match[kind])
