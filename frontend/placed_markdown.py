"""Markdown read so that every token knows where in the text it stands. Pure; no HTML is made here.

markdown-it says which lines a block covers and nothing of what is inside. Here its rules are run as they are, and
beside them it is written down where they stood: `token.meta` has

    at      of an inline token: where it begins, counted in the `content` of the block around it
    address of what closes a link, and of an image: the stretch between its parentheses, counted likewise
    places  of a block with text: which stretches of the text its content was put together from (Place)
    label   of a fence: where its info string begins in the text
    marker  of a list item: where its number begins in the text

Nothing an author wrote disappears: link definitions stay text, a table's surplus cells are kept, and so is what is
nested deeper than a page can show.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it import rules_block as blocks
from markdown_it.common.utils import mdTrim
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block.state_block import StateBlock
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token
from markdown_it.utils import EnvType

DEEPEST = 16
PIPE = re.compile(r"\|")


class Place(NamedTuple):
    """`length` characters of a block's content, from `at` on, are the text's from `start` on; None: nobody's."""

    at: int
    length: int
    start: int | None


def read(text: str) -> list[Token]:
    """Return markdown-it's block tokens with places. `text` has no line end but \\n."""
    return MARKDOWN.parse(text)


# Inside a block


class PlacedState(StateInline):
    """Knows for each token where in the block's content the parser stood when it was made."""

    pending_from: int | None = None

    @functools.cached_property
    def last_address(self) -> int:
        return self.src.rfind("](")

    def append_pending(self, text: str) -> None:
        if self.pending_from is None:
            self.pending_from = self.pos
        super().append_pending(text)

    def pushPending(self) -> Token:  # noqa: N802 - the name is markdown-it's
        token = super().pushPending()
        token.meta["at"] = self.pending_from
        self.pending_from = None
        return token

    def push(self, ttype: str, tag: str, nesting: Literal[-1, 0, 1]) -> Token:
        token = super().push(ttype, tag, nesting)
        token.meta["at"] = self.pos
        token.meta["end"] = self.posMax
        self.pending_from = None
        return token


class PlacedInline(ParserInline):
    def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
        state = PlacedState(src, md, env, tokens)
        self.tokenize(state)
        _settle(src, tokens)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


def _settle(source: str, tokens: Sequence[Token]) -> None:
    """Mend what is made out of step: a run of markers is pushed from its beginning, an address behind its <."""
    run_from, used = -1, 0
    for index, token in enumerate(tokens):
        at = token.meta["at"]
        if token.type != "text":
            run_from = -1
            continue
        if index and tokens[index - 1].markup == "autolink" and tokens[index - 1].nesting == 1:
            token.meta["at"] = at + 1
            token.content = source[at + 1 : source.index(">", at)]
        elif at == run_from:
            token.meta["at"] = at + used
            used += len(token.content)
        else:
            run_from, used = at, len(token.content)


def _may_link(state: StateInline) -> bool:
    """Say whether an address still follows: brackets without any are many in code, and dear to look at."""
    return isinstance(state, PlacedState) and state.pos < state.last_address


def _link(state: StateInline, silent: bool) -> bool:
    if not _may_link(state) or not link(state, silent):
        return False
    if not silent:
        close = state.tokens[-1]
        close.meta["address"] = (close.meta["end"] + 2, state.pos - 1)
    return True


def _image(state: StateInline, silent: bool) -> bool:
    if not _may_link(state) or not image(state, silent):
        return False
    if not silent:
        token = state.tokens[-1]
        token.meta["at"] += 2
        token.meta["address"] = (token.meta["at"] + len(token.content) + 2, state.pos - 1)
    return True


# Blocks. Each rule runs, then the places of what it took are read from the same state that it read.


def _placed_lines(rule: RuleFuncBlockType) -> RuleFuncBlockType:
    """Of a rule whose content is its lines, without what stands before them and trimmed."""

    def run(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        before = len(state.tokens)
        if not rule(state, start, end, silent):
            return False
        if not silent:
            inline = state.tokens[before + 1]
            _, last = inline.map or (start, start)
            inline.meta["places"] = _trimmed(*_cut(state, start, last, state.blkIndent), inline.content)
        return True

    return run


def _heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    before = len(state.tokens)
    if not blocks.heading(state, start, end, silent):
        return False
    if not silent:
        opening, inline = state.tokens[before : before + 2]
        at = state.bMarks[start] + state.tShift[start] + len(opening.markup)
        line = state.src[at : state.eMarks[start]]
        inline.meta["places"] = _trimmed(line, [Place(0, len(line), at)], inline.content)
    return True


def _code(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if not blocks.code(state, start, end, silent):
        return False
    _, places = _cut(state, start, state.line, 4 + state.blkIndent)
    state.tokens[-1].meta["places"] = places
    return True


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if not blocks.fence(state, start, end, silent):
        return False
    if not silent:
        token = state.tokens[-1]
        at = state.bMarks[start] + state.tShift[start] + len(token.markup)
        token.meta["label"] = at + len(token.info) - len(token.info.lstrip())
        # The last line closes the fence or belongs to it: cut as many as the content has.
        last = start + 1 + token.content.count("\n")
        if token.content and not token.content.endswith("\n"):
            last += 1
        _, token.meta["places"] = _cut(state, start + 1, min(last, state.line), state.sCount[start], keeps_last=True)
    return True


def _list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    before, level = len(state.tokens), state.level + 1
    if not blocks.list_block(state, start, end, silent):
        return False
    for token in state.tokens[before:]:
        if token.type == "list_item_open" and token.level == level and token.map:
            token.meta["marker"] = state.bMarks[token.map[0]] + state.tShift[token.map[0]]
    return True


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take a table, written anew for two things: what a row has too much is kept, what it lacks is not made up."""
    if not blocks.table(state, start, end, True):
        return False
    if silent:
        return True
    sides = [_side(column) for column in _row(state, start + 1).strip("| \t").split("|")]
    outside, state.parentType = state.parentType, "table"
    state.push("table_open", "table", 1)
    state.push("thead_open", "thead", 1)
    _push_row(state, start, "th", sides)
    state.push("thead_close", "thead", -1)
    line = start + 2
    if _is_row(state, line, end):
        state.push("tbody_open", "tbody", 1)
        while _is_row(state, line, end):
            _push_row(state, line, "td", sides)
            line += 1
        state.push("tbody_close", "tbody", -1)
    state.push("table_close", "table", -1)
    state.parentType = outside
    state.line = line
    return True


def _row(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _side(column: str) -> str:
    marks = column.strip()
    return {(True, True): "center", (False, True): "right"}.get((marks[:1] == ":", marks[-1:] == ":"), "")


def _is_row(state: StateBlock, line: int, end: int) -> bool:
    if (
        line >= end
        or state.sCount[line] < state.blkIndent
        or state.is_code_block(line)
        or not mdTrim(_row(state, line))
    ):
        return False
    return not any(rule(state, line, end, True) for rule in state.md.block.ruler.getRules("blockquote"))


def _push_row(state: StateBlock, line: int, tag: str, sides: Sequence[str]) -> None:
    state.push("tr_open", "tr", 1)
    for index, (content, places) in enumerate(_cells(state, line, len(sides))):
        state.push(f"{tag}_open", tag, 1).info = sides[index] if index < len(sides) else ""
        inline = state.push("inline", "", 0)
        inline.content, inline.children = mdTrim(content), []
        inline.meta["places"] = _trimmed(content, places, inline.content)
        state.push(f"{tag}_close", tag, -1)
    state.push("tr_close", "tr", -1)


def _cells(state: StateBlock, line: int, width: int) -> list[tuple[str, list[Place]]]:
    """Split a row as markdown-it does: at each pipe without a backslash, none at either end. The rest is one cell."""
    row = _row(state, line)
    trimmed = mdTrim(row)
    at = state.bMarks[line] + state.tShift[line] + row.index(trimmed)
    begin, end = int(trimmed.startswith("|")), len(trimmed)
    if end > 1 and trimmed.endswith("|") and trimmed[-2] != "\\":
        end -= 1
    cells: list[list[tuple[int, int]]] = [[]]
    for pipe in PIPE.finditer(trimmed, begin, end):
        is_escaped = pipe.start() > 0 and trimmed[pipe.start() - 1] == "\\"
        if not is_escaped and len(cells) > width:
            break
        cells[-1].append((begin, pipe.start() - is_escaped))
        begin = pipe.end() - is_escaped
        if not is_escaped:
            cells.append([])
    cells[-1].append((begin, end))
    return [_content(trimmed, stretches, at) for stretches in cells]


def _content(row: str, stretches: Sequence[tuple[int, int]], start: int) -> tuple[str, list[Place]]:
    places: list[Place] = []
    length = 0
    for begin, end in stretches:
        places.append(Place(length, end - begin, start + begin))
        length += end - begin
    return "".join(row[begin:end] for begin, end in stretches), places


def _too_deep(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take what is nested too deep as a paragraph; markdown-it would drop it."""
    return state.level >= DEEPEST and PARAGRAPH(state, start, end, silent)


def _cut(state: StateBlock, begin: int, end: int, indent: int, *, keeps_last: bool = False) -> tuple[str, list[Place]]:
    """Do what StateBlock.getLines does, and say where each line comes from."""
    parts: list[str] = []
    places: list[Place] = []
    length = 0
    for line in range(begin, end):
        first, blanks = _after_indent(state, line, indent)
        last = state.eMarks[line] + (1 if line + 1 < end or keeps_last else 0)
        part = state.src[first:last]
        if blanks:
            places.append(Place(length, blanks, None))
        places.append(Place(length + blanks, len(part), first))
        parts += [" " * blanks, part]
        length += blanks + len(part)
    return "".join(parts), places


def _after_indent(state: StateBlock, line: int, indent: int) -> tuple[int, int]:
    """Return where a line's content begins, and how many blanks are left of a tab that was cut in two."""
    first = begin = state.bMarks[line]
    if not indent:
        return first, 0
    last = state.eMarks[line] + 1
    width = 0
    while first < last and width < indent:
        character = state.src[first : first + 1]
        if character == "\t":
            width += 4 - (width + state.bsCount[line]) % 4
        elif character == " " or first - begin < state.tShift[line]:
            width += 1
        else:
            break
        first += 1
    return first, max(width - indent, 0)


def _trimmed(text: str, places: Sequence[Place], content: str) -> list[Place]:
    """Move the places of `text` to those of `content`, which begins where the blanks before `text` end."""
    lead = text.find(content)
    if lead < 0 or mdTrim(text[:lead]):
        return []
    return [Place(place.at - lead, place.length, place.start) for place in places]


PARAGRAPH = _placed_lines(blocks.paragraph)


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("zero")
    markdown.inline = PlacedInline()
    markdown.configure("commonmark", {"html": False, "maxNesting": DEEPEST + 4})
    markdown.enable(["table", "strikethrough"])
    # Definitions would vanish from the page, and their links could say nothing of their own.
    markdown.disable(["reference", "html_block", "html_inline", "fragments_join", "text_join", "normalize"])
    rule = markdown.block.ruler
    for name, function, ends in (
        ("table", _table, ["paragraph", "reference"]),
        ("code", _code, []),
        ("fence", _fence, ["paragraph", "reference", "blockquote", "list"]),
        ("list", _list, ["paragraph", "reference", "blockquote"]),
        ("heading", _heading, ["paragraph", "reference", "blockquote"]),
        ("lheading", _placed_lines(blocks.lheading), []),
        ("paragraph", PARAGRAPH, []),
    ):
        rule.at(name, function, {"alt": ends})
    rule.before("table", "too_deep", _too_deep)
    markdown.inline.ruler.at("link", _link)
    markdown.inline.ruler.at("image", _image)
    return markdown


MARKDOWN = _markdown()
