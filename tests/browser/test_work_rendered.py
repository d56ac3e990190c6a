"""Marking in the rendered view: what is selected there is a span of the stored text, and marks show in both views."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Dialog, expect

from frontend import rendered
from tests.annotate.queue import rows
from tests.browser import work_text_page
from tests.browser.conftest import Open
from tests.browser.work_text_page import Read, TextPage, read

__all__ = ["read"]

DATABASES = """# Comparing *three* databases

Here is a **short** list of `PostgreSQL`, and [SQLite](https://sqlite.org "home").
AT&amp;T was founded in 1885 🚀🚀, a *short* while ago.

1. Install the server
1. Run `initdb`, then wait
- one 👩‍🚀 item
- another item

| Database | Licence |
|---|---|
| PostgreSQL | its own |
| SQLite | public \\| domain |

```python
return sum(values)
```

\u202eshort\u2069 <script>alert(1)</script> <img src=x onerror=alert(2)>
"""
OPEN = """async ([html, text]) => {
  const style = document.createElement("link");
  Object.assign(style, { rel: "stylesheet", href: "/static/css/work-rendered.css" });
  const isStyled = new Promise((resolve) => style.addEventListener("load", resolve));
  document.head.append(style);
  const { fill } = await import("/static/js/work/rendered.js");
  await isStyled;
  window.raw = [...output.childNodes];
  window.toRaw = () => {
    output.replaceChildren(...raw);
    reader.load({ text });
    show();
  };
  window.toRendered = () => {
    reader.load({ text, runs: fill(output, html, text) });
    show();
  };
  toRendered();
}"""


@pytest.fixture
def rendered_page(read: Read) -> Iterator[Read]:
    """Return `rendered_page(text, **context)`: the text in a page of its own, rendered."""
    dialogs: list[str] = []

    def on_dialog(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    def open_it(text: str, **options: Any) -> TextPage:
        opened = read(text, **options)
        opened.page.on("dialog", on_dialog)
        opened.page.evaluate(OPEN, [rendered.render(text).html, text])
        return opened

    yield open_it
    assert dialogs == []


def select(page: TextPage, first: str, last: str) -> None:
    """Drag from the first character of some words to behind the last one of others, where the text has them first."""
    left, right = page.middle_of(first), page.middle_of(last, at_end=True)
    right = (right[0] + 6, right[1])
    page.page.mouse.move(*left)
    page.page.mouse.down()
    page.page.mouse.move((left[0] + right[0]) / 2, (left[1] + right[1]) / 2, steps=2)
    page.page.mouse.move(*right, steps=2)
    page.page.mouse.up()


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Comparing", "three", "Comparing *three"),
        ("short", "list", "short** list"),
        ("of `Post", "greSQL", "of `PostgreSQL"),
        ("sqlite.org", "sqlite.org", "sqlite.org"),
        ("SQLite](", "sqlite.org", "SQLite](https://sqlite.org"),
        ("1885", "🚀🚀", "1885 🚀🚀"),
        ("one", "another", "one 👩‍🚀 item\n- another"),
        ("PostgreSQL |", "own", "PostgreSQL | its own"),
        ("public", "domain", "public \\| domain"),
        ("return", "sum(values)", "return sum(values)"),
        ("AT&amp;T", "founded", "AT&amp;T was founded"),
        ("server", "initdb", "server\n1. Run `initdb"),
        ("<script>", "(1)", "<script>alert(1)"),
    ],
)
def test_a_selection_is_a_span_of_the_text(rendered_page: Read, first: str, last: str, expected: str) -> None:
    page = rendered_page(DATABASES)
    select(page, first, last)
    assert page.selected == expected
    page.press("1")
    assert page.marked == [expected]


def test_the_same_words_are_told_apart(rendered_page: Read) -> None:
    page = rendered_page(DATABASES)
    for start in (match.start() for match in re.finditer("short", DATABASES)):
        page.press("Escape")
        page.drag("short", after=start)
        assert page.selection == (start, start + 5)


def test_what_stands_for_other_characters_cannot_be_marked_alone(rendered_page: Read) -> None:
    page = rendered_page("Fish &amp; chips")
    box = page.page.locator("[data-unmapped]").bounding_box()
    assert box is not None
    left, top, right = box["x"], box["y"] + box["height"] / 2, box["x"] + box["width"]
    page.page.mouse.move(left + 1, top)
    page.page.mouse.down()
    page.page.mouse.move(right - 1, top, steps=4)
    page.page.mouse.up()
    assert page.selection is None
    assert page.said.endswith("mark it in the raw view.")
    page.drag("Fish")
    page.press("Shift+ArrowRight")
    assert page.selected == "Fish &amp; chips"


def test_by_keyboard_alone(rendered_page: Read) -> None:
    page = rendered_page(DATABASES)
    page.walk_to("domain")
    page.press("Shift+ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowLeft", "1")
    assert page.marked == ["public \\| domain"]
    page.walk_to("sum")
    page.press("Shift+ArrowRight", "Control+Shift+ArrowRight", "1")
    assert page.marked[1] == "sum("


def test_marks_show_in_both_views(rendered_page: Read) -> None:
    page = rendered_page(DATABASES)
    select(page, "short", "list")
    page.press("1")
    assert page.painted("major") == ["short list"]
    page.page.evaluate("toRaw()")
    assert page.painted("major") == ["short** list"]
    page.drag("SQLite](https")
    page.press("1")
    page.page.evaluate("toRendered()")
    assert page.painted("major") == ["short list", "SQLitehttps"]
    assert page.marked == ["short** list", "SQLite](https"]


def test_a_text_changed_by_the_browser_is_not_marked(rendered_page: Read) -> None:
    html = rendered.render("one two").html.replace("one two", "uno dos")
    page = rendered_page("one two")
    runs = page.page.evaluate(
        """async (html) => (await import("/static/js/work/rendered.js")).fill(output, html, "one two").length""", html
    )
    assert runs == 0


def test_html_is_asked_for_once_and_again_after_a_failure(rendered_page: Read) -> None:
    page = rendered_page("x")
    found = page.page.evaluate(
        """async () => {
          const { htmlOf } = await import("/static/js/work/rendered.js");
          let asked = 0;
          const server = { get: async (door, token) => {
            asked += 1;
            if (asked === 1) throw new Error("no answer");
            return { html: `${door} ${token}` };
          } };
          const sheet = { lease: "abc" };
          const first = await htmlOf(server, sheet).catch(({ message }) => message);
          return [first, await htmlOf(server, sheet), await htmlOf(server, { ...sheet }), asked];
        }"""
    )
    assert found == ["no answer", "rendered abc", "rendered abc", 2]


def test_nothing_is_loaded_and_nothing_can_be_followed(rendered_page: Read) -> None:
    page = rendered_page(
        "![a](http://tracker.test/x.png) [b](http://tracker.test/y) <http://tracker.test/z>\n\n<img src=//tracker.test>"
    )
    assert page.page.locator("#output :is(a, img, script, [href], [src], [onerror])").count() == 0
    assert "http://tracker.test/x.png" in page.page.locator("#output").inner_text()


def test_a_phone_shows_all_of_it_without_scrolling_sideways(rendered_page: Read) -> None:
    wide = "| " + " | ".join(f"column{n}" for n in range(9)) + " |\n" + "|---" * 9 + "|\n\n```\n" + "x" * 500 + "\n```"
    page = rendered_page(DATABASES + wide, **work_text_page.PHONE)
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.django_db(transaction=True)
def test_the_switch_of_the_work_page(open_page: Open) -> None:
    campaign = rows.campaign()
    ada = rows.person("ada", campaign=campaign)
    rows.outputs(campaign, "A **short** list")
    page = open_page("/c/answers/work/", ada)
    page.locator("#view [data-view=rendered]").click()
    expect(page.locator("#output .rendered strong")).to_have_text("short")
    assert (
        page.locator("#output .rendered").evaluate("(view) => getComputedStyle(view.firstChild).unicodeBidi")
        == "plaintext"
    )
    page.locator("#view [data-view=raw]").click()
    expect(page.locator("#output")).to_have_text("A **short** list")
