"""A page that has nothing but a text and the modules that mark it: no server, no database, so its tests are quick."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, Page, Route

from annotate.accounts import keys
from frontend import visible_text
from tests.conftest import ROOT

URL = "http://text.test/"
STATIC = ROOT / "frontend" / "static"
TYPES = {".js": "text/javascript", ".css": "text/css"}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
Read = Callable[..., "TextPage"]

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/static/css/app.css"><link rel="stylesheet" href="/static/css/work.css">
<body><main><div class="work-text"><section class="work-output"><div id="output" class="hostile" dir="auto"
tabindex="0"{language}>{output}</div></section></div></main><p id="said" role="status"></p>
<script type="application/json" id="data">{data}</script>
<script type="module">
import {{ Reader }} from "/static/js/work/reader.js";
import {{ Keymap }} from "/static/js/work/keymap.js";
import {{ Marks, nextSeverity }} from "/static/js/work/marks.js";
const {{ language, preferences }} = JSON.parse(document.getElementById("data").textContent);
const output = document.getElementById("output");
const said = document.getElementById("said");
const keymap = new Keymap([{{ slug: "wrong", key: "1" }}], preferences);
const marks = new Marks({{ violations: [], verdict: "", comment: "" }});
let current = null;
const reader = new Reader(output, {{
  onMove: (says) => (said.textContent = says),
  onRefused: (says) => (said.textContent = says),
  onPick: (id) => {{
    current = id;
    marks.update(id, {{ severity: nextSeverity(marks.find(id).severity) }});
  }},
  onEdge: (id, span, side) => marks.update(id, span, side),
  onReveal: (range) => {{
    const {{ top, bottom }} = range.getBoundingClientRect();
    if (top < 0 || bottom > innerHeight) scrollBy(0, top - innerHeight / 2);
  }},
}});
reader.load({{ language }});
const show = () => reader.show(marks.violations, current);
marks.addEventListener("change", show);
const mark = (span, severity = "major") => {{
  current = marks.add({{ tag: "wrong", scope: "span", severity, ...span }});
  show();
}};
document.addEventListener("keydown", (event) => {{
  const asked = keymap.asked(event);
  if (!asked) return;
  event.preventDefault();
  if (asked.tag && reader.selection) {{
    mark(reader.selection);
    reader.deselect();
  }} else if (asked.action === "undo") marks.undo();
  else if (asked.action) reader.act(asked.action);
}});
Object.assign(window, {{ reader, marks, mark, show }});
output.focus();
document.title = "ready";
</script>"""


class TextPage:
    """A text in Chromium. Spans are code points; quotes are cut by Python from the text that went in."""

    def __init__(self, page: Page, text: str) -> None:
        self.page, self.text = page, text

    def press(self, *pressed: str) -> None:
        for key in pressed:
            self.page.keyboard.press(key)

    @property
    def said(self) -> str:
        return str(self.page.evaluate("said.textContent"))

    @property
    def selection(self) -> tuple[int, int] | None:
        found = self.page.evaluate("reader.selection && [reader.selection.start, reader.selection.end]")
        return found and tuple(found)

    @property
    def selected(self) -> str:
        """The selected words: as the page cuts them and as Python does, which must be the same."""
        span = self.selection
        if span is None:
            return ""
        quote = self.text[slice(*span)]
        assert self.page.evaluate("reader.quote(reader.selection)") == quote
        return quote

    @property
    def marked(self) -> list[str]:
        """The quotes of the violations, in their order."""
        found = self.page.evaluate("marks.violations.map((each) => [each.start, each.end, reader.quote(each)])")
        assert [quote for *_, quote in found] == [self.text[start:end] for start, end, _ in found]
        return [quote for *_, quote in found]

    def mark(self, words: str, severity: str = "major", *, after: int = 0) -> None:
        start = self.text.index(words, after)
        self.page.evaluate(
            "([start, end, severity]) => mark({start, end}, severity)", [start, start + len(words), severity]
        )

    def painted(self, name: str) -> list[str]:
        return list(
            self.page.evaluate(
                "(name) => [...(CSS.highlights.get(`work-${name}`) ?? [])].map((range) => range.toString())", name
            )
        )

    def walk_to(self, word: str, key: str = "ArrowRight") -> None:
        for _ in range(len(self.text)):
            self.press(key)
            if self.said == word:
                return
        raise AssertionError(f"the cursor never came to {word!r}")

    def middle_of(self, words: str, *, at_end: bool = False, after: int = 0) -> tuple[float, float]:
        """The middle of the first or the last character of some words, in whole pixels as a mouse moves."""
        at = self.text.index(words, after) + (len(words) - 1 if at_end else 0)
        return self.middle_at(at)

    def middle_at(self, point: int) -> tuple[float, float]:
        box = self.page.evaluate(
            """(point) => {
              const unit = reader.offsets.toUnits(point);
              const { start, end } = reader.tokens.characterAt(unit);
              const range = reader.map.range(start, end);
              const { x, y, width, height } = range.getBoundingClientRect();
              return [x + width / 2, y + height / 2];
            }""",
            point,
        )
        return round(box[0]), round(box[1])

    def drag(self, words: str, *, holding: str = "", after: int = 0) -> None:
        mouse, keyboard = self.page.mouse, self.page.keyboard
        left, right = self.middle_of(words, after=after), self.middle_of(words, at_end=True, after=after)
        if left == right:  # one character: from side to side
            left, right = (left[0] - 6, left[1]), (right[0] + 6, right[1])
        mouse.move(*left)
        if holding:
            keyboard.down(holding)
        mouse.down()
        mouse.move((left[0] + right[0]) / 2, (left[1] + right[1]) / 2, steps=2)
        mouse.move(*right, steps=2)
        mouse.up()
        if holding:
            keyboard.up(holding)


def show(page: Page, text: str, *, language: str = "", output: str | None = None) -> TextPage:
    """Open the page with a text, or with HTML that shows it."""
    data = {"language": language, "preferences": {"actions": keys.listed({}), "single_keys": True}}
    shown = PAGE.format(
        language=f' lang="{language}"' if language else "",
        output=_pieces(text) if output is None else output,
        data=json.dumps(data).replace("<", "\\u003c"),
    )

    def answer(route: Route) -> None:
        path = urlparse(route.request.url).path
        file = STATIC / path.removeprefix("/static/")
        if path == "/":
            route.fulfill(body=shown, content_type="text/html; charset=utf-8")
        elif file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=TYPES.get(file.suffix, "application/octet-stream"))
        else:
            route.fulfill(status=404, body="")

    page.unroute(f"{URL}**")
    page.route(f"{URL}**", answer)
    page.goto(URL)
    page.wait_for_function("document.title === 'ready'")
    return TextPage(page, text)


def _pieces(text: str) -> str:
    return "".join(
        f'<span class="hidden-character" data-name="{piece.name}">{html.escape(piece.text)}</span>'
        if piece.name
        else html.escape(piece.text)
        for piece in visible_text.pieces(text)
    )


@pytest.fixture
def read(browser: Browser) -> Iterator[Read]:
    """Return `read(text, language="", output=None, before="", **context)`: the text in a page of its own.

    `before` is a script that runs before the page's own.
    """
    contexts = []
    wrong: list[str] = []

    def open_it(
        text: str, *, language: str = "", output: str | None = None, before: str = "", **options: Any
    ) -> TextPage:
        context = browser.new_context(**{"viewport": {"width": 900, "height": 700}, **options})
        contexts.append(context)
        page = context.new_page()
        if before:
            page.add_init_script(before)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        return show(page, text, language=language, output=output)

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []
