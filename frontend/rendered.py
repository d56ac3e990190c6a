"""An output's markdown as a page shows it, each run of text with its place in the stored text. Pure.

Every character of the text and nothing but the text goes through format_html; the elements and classes are those named
here. No link can be followed and no image is loaded: their addresses are text. Raw HTML is text.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from markdown_it.token import Token

from frontend import placed_markdown, visible_text

LINE_END = re.compile(r"\r\n?|\n")
LINE = re.compile(r"\n|[^\n]+")
FIRST_HEADING = 3  # the page's own headings end at h2
LAST_HEADING = 6
INLINE = ("em", "strong", "s")
BLOCKS = ("p", "ul", "ol", "li", "blockquote", "thead", "tbody", "tr", "pre", "code")
SPANS = {name: format_html('<span class="md-{}">', name) for name in ("link", "address", "image", "number")}
SPAN_END = format_html("</{}>", "span")
STARTS = {tag: format_html("<{}>", tag) for tag in (*INLINE, *BLOCKS)}
TABLE = '<div class="md-table" tabindex="0" role="group" aria-label="{}"><table dir="auto">'
ENDS = {tag: format_html("</{}>", tag) for tag in (*INLINE, *BLOCKS, "th", "td")}
STARTS |= {tag: format_html('<{} dir="auto">', tag) for tag in ("ul", "ol", "blockquote")}


@dataclass(frozen=True, slots=True)
class Rendered:
    """What of a text is shown, as HTML. A run is one of

    <span data-start="S" data-end="E">: text[S:E], code points, half-open; the runs' offsets only grow
    <span data-unmapped data-from="S" data-to="E">: not the text's own characters (an entity, say), shown for text[S:E]

    `shown` characters are not blank, and so many of them, `mapped`, stand in runs of the first kind.
    """

    html: SafeString
    shown: int
    mapped: int


def render(text: str) -> Rendered:
    """Render a stored text. Takes time in proportion to its length."""
    page = _Page(text)
    for token in placed_markdown.read(page.source):
        page.block(token)
    page.flush()
    return Rendered(html=_joined(page.parts), shown=page.shown, mapped=page.mapped)


class _Page:
    def __init__(self, text: str) -> None:
        self.text = text
        self.source, self.cuts = _with_plain_lines(text)
        self.parts: list[SafeString] = []
        self.shown = 0
        self.mapped = 0
        self.run: tuple[int, int] | None = None  # the last run, as long as it can grow
        self.numbers: list[int] = []  # of the next item, for each list around
        self.places: Sequence[placed_markdown.Place] = ()
        self.content = ""
        self.blocks: dict[str, Callable[[Token], None]] = {
            "inline": self.inline,
            "fence": self.code,
            "code_block": self.code,
            "hr": lambda _: self.put(format_html("<{}>", "hr")),
            "heading_open": self.heading,
            "heading_close": self.heading,
            "ordered_list_open": self.numbered,
            "ordered_list_close": self.numbered,
            "list_item_open": self.item,
            "table_open": lambda _: self.put(format_html(TABLE, "Table")),
            "table_close": lambda _: self.put(format_html("</table></{}>", "div")),
            "th_open": self.cell,
            "td_open": self.cell,
        }
        self.inlines: dict[str, Callable[[Token, int], None]] = {
            "text": self.words,
            "text_special": self.special,
            "softbreak": self.line_end,
            "hardbreak": self.line_end,
            "code_inline": self.code_inline,
            "link_open": lambda token, base: self.put(SPANS["link"]),
            "link_close": self.link_end,
            "image": self.image,
        }

    # Blocks

    def block(self, token: Token) -> None:
        if token.type in self.blocks:
            self.blocks[token.type](token)
        elif not token.hidden:
            self.tag(token)

    def tag(self, token: Token) -> None:
        self.put((STARTS if token.nesting > 0 else ENDS)[token.tag])

    def heading(self, token: Token) -> None:
        level = min(int(token.tag[1:]) + FIRST_HEADING - 1, LAST_HEADING)
        self.put(format_html("<h{}>" if token.nesting > 0 else "</h{}>", level))

    def numbered(self, token: Token) -> None:
        if token.nesting > 0:
            self.numbers.append(int(token.attrs.get("start", 1)))
        else:
            self.numbers.pop()
        self.tag(token)

    def item(self, token: Token) -> None:
        """Begin a list item. A number counts on, as everywhere; it is the text's where that says the same."""
        self.tag(token)
        if not token.info:
            return
        number = f"{self.numbers[-1]}{token.markup}"
        self.numbers[-1] += 1
        written = token.info + token.markup
        start = self.stored(token.meta["marker"])
        self.put(SPANS["number"])
        if written == number:
            self.grow(number, start, start + len(written))
        else:
            self.unmapped(number, (start, start + len(written)))
        self.put(SPAN_END)

    def cell(self, token: Token) -> None:
        scope = format_html(' scope="{}"', "col") if token.tag == "th" else ""
        side = format_html(' class="md-{}"', token.info) if token.info else ""
        self.put(format_html("<{}{}{}>", token.tag, scope, side))

    def code(self, token: Token) -> None:
        self.put(format_html('<div class="{}">', "md-code"))
        label = token.info.strip()
        if label:
            at = token.meta["label"]
            self.put(format_html('<p class="{}">', "md-info"))
            self.show(label, at, at + len(label))
            self.put(ENDS["p"])
        self.put(format_html("<pre><{}>", "code"))
        self.places = token.meta["places"]
        self.place(token.content.removesuffix("\n"), 0)
        self.put(format_html("</code></pre></{}>", "div"))

    def inline(self, token: Token) -> None:
        self.places = token.meta["places"]
        self.content = token.content
        for child in token.children or ():
            self.child(child, 0)

    # Inside a block. `base` is where the counting of the token's `at` begins: not 0 inside the label of an image.

    def child(self, token: Token, base: int) -> None:
        if token.type in self.inlines:
            self.inlines[token.type](token, base)
        else:
            self.tag(token)

    def words(self, token: Token, base: int) -> None:
        self.place(token.content, base + token.meta["at"])

    def special(self, token: Token, base: int) -> None:
        at = base + token.meta["at"]
        if token.info == "escape":
            self.place(token.content, at + len(token.markup) - len(token.content))
        else:
            start = self.start_of(at)
            self.show(token.content, start, None if start is None else start + len(token.markup))

    def line_end(self, token: Token, base: int) -> None:
        self.place("\n", self.content.index("\n", base + token.meta["at"]))

    def code_inline(self, token: Token, base: int) -> None:
        at = base + token.meta["at"] + len(token.markup)
        end = at + len(token.content)
        if self.content[at:end].replace("\n", " ") != token.content or not self.content.startswith("`", end):
            at += 1  # a blank on each side belongs to the marks
        self.put(STARTS["code"])
        self.place(token.content, at)
        self.put(ENDS["code"])

    def link_end(self, token: Token, base: int) -> None:
        self.put(SPAN_END)
        if "address" in token.meta:
            self.address(token, base)

    def image(self, token: Token, base: int) -> None:
        self.put(SPANS["image"])
        for child in token.children or ():
            self.child(child, base + token.meta["at"])
        self.put(SPAN_END)
        self.address(token, base)

    def address(self, token: Token, base: int) -> None:
        begin, end = token.meta["address"]
        written = self.content[base + begin : base + end]
        address = written.strip()
        if address:
            self.put(SPANS["address"])
            self.place(address, base + begin + written.index(address))
            self.put(SPAN_END)

    # Runs of text

    def place(self, text: str, at: int) -> None:
        """Show a stretch of the block's content that begins at `at`, each part from where it stands in the text."""
        index = max(bisect.bisect_right(self.places, at, key=lambda place: place.at) - 1, 0)
        while text and index < len(self.places):
            place = self.places[index]
            size = min(place.at + place.length - at, len(text))
            if size > 0:
                start = None if place.start is None else place.start + at - place.at
                self.lines(text[:size], start)
                text, at = text[size:], at + size
            index += 1
        if text:
            self.lines(text, None)

    def start_of(self, at: int) -> int | None:
        index = bisect.bisect_right(self.places, at, key=lambda place: place.at) - 1
        if index < 0:
            return None
        place = self.places[index]
        return None if place.start is None else place.start + at - place.at

    def lines(self, text: str, start: int | None) -> None:
        if start is None or not self.cuts:
            self.show(text, start, None if start is None else start + len(text))
            return
        for line in LINE.findall(text):
            self.show(line, start, start + len(line))
            start += len(line)

    def show(self, text: str, start: int | None, end: int | None) -> None:
        """Show `text`, which stands for source[start:end], or for nothing of it."""
        if start is None or end is None:
            self.unmapped(text, None)
            return
        start, end = self.stored(start), self.stored(end - 1) + 1
        if self.text.startswith(text, start) and len(text) == end - start:
            self.grow(text, start, end)
        elif len(text) != end - start:
            self.unmapped(text, (start, end))
        else:
            for is_same, group in itertools.groupby(range(len(text)), lambda at: text[at] == self.text[start + at]):
                ats = list(group)
                part, place = text[ats[0] : ats[-1] + 1], (start + ats[0], start + ats[-1] + 1)
                if is_same:
                    self.grow(part, *place)
                else:
                    self.unmapped(part, place)

    def grow(self, text: str, start: int, end: int) -> None:
        solid = _solid(text)
        self.shown += solid
        self.mapped += solid
        if self.run and self.run[1] == start:
            self.run = (self.run[0], end)
        else:
            self.flush()
            self.run = (start, end)

    def stored(self, at: int) -> int:
        """Return the place in the stored text of a character of the source: it has one more per \\r\\n up to there."""
        return at + bisect.bisect_right(self.cuts, at)

    def unmapped(self, text: str, place: tuple[int, int] | None) -> None:
        self.shown += _solid(text)
        self.flush()
        about = format_html(' data-from="{}" data-to="{}"', *place) if place else ""
        self.parts.append(format_html("<span data-unmapped{}>{}</span>", about, _visible(text)))

    def put(self, tag: SafeString) -> None:
        self.flush()
        self.parts.append(tag)

    def flush(self) -> None:
        if self.run:
            start, end = self.run
            self.run = None
            shown = _visible(self.text[start:end])
            self.parts.append(format_html('<span data-start="{}" data-end="{}">{}</span>', start, end, shown))


def _joined(parts: Sequence[SafeString]) -> SafeString:
    return format_html("{}" * (len(parts) + 1), "", *parts)  # much quicker than format_html_join


def _with_plain_lines(text: str) -> tuple[str, list[int]]:
    """Return the text as markdown-it takes it, and where in it a line end stands for two characters."""
    text = text.replace("\0", "\ufffd")
    if "\r" not in text:
        return text, []
    cuts = [match.start() - index for index, match in enumerate(re.finditer("\r\n", text))]
    return LINE_END.sub("\n", text), cuts


def _solid(text: str) -> int:
    return len("".join(text.split()))


def _visible(text: str) -> str:
    if not visible_text.HIDDEN.search(text):
        return text
    return format_html_join("", "{}", ((_piece(piece.text, piece.name),) for piece in visible_text.pieces(text)))


def _piece(text: str, name: str) -> str:
    return format_html('<span class="hidden-character" data-name="{}">{}</span>', name, text) if name else text
