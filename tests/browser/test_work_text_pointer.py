"""Marking with a mouse and with a finger, on a phone too; other views of the text, and browsers without highlights."""

from __future__ import annotations

import pytest

from tests.browser.work_text_page import PHONE, Read, TextPage, read

__all__ = ["read"]

BLOOM = "Bloom was released on 31 August 2018 by EMI. It was his third album and won the ARIA award."
# A view of markdown: the syntax is not shown, and "&" stands for what the text says otherwise.
SOURCE = "# 🚀 Bloom\n\nIt **was** out &amp; sold.\n\n1. One"
VIEW = """<h3><span data-run="🚀 Bloom">🚀 Bloom</span></h3>
<p><span data-run="It ">It </span><strong><span data-run="was">was</span></strong><span data-run=" out "> out </span>\
<span>&amp;</span><span data-run=" sold."> sold.</span></p>
<ol><li><span data-run="One">One</span></li></ol>"""
LOAD_VIEW = """(text) => reader.load({
  text,
  runs: [...reader.root.querySelectorAll("[data-run]")].map(({ dataset, firstChild: node }) => {
    return { node, start: text.indexOf(dataset.run), length: node.length };
  }),
})"""


def finger(text: TextPage, *events: tuple[str, float, float]) -> None:
    """Real touches: ("touchStart" | "touchMove" | "touchEnd", x, y)."""
    session = text.page.context.new_cdp_session(text.page)
    for kind, x, y in events:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.detach()


def drag_handle(text: TextPage, side: str, point: int, *, is_after: bool) -> None:
    """Drag a handle so that it points at one side of a character."""
    box = text.page.locator(f".work-handle.is-{side}").bounding_box()
    assert box is not None
    assert box["width"] >= 44 and box["height"] >= 44
    x, y = box["x"] + box["width"] / 2, box["y"] + 10
    to_x, to_y = text.middle_at(point)
    to_x += 3 if is_after else -3
    to_y += 30  # a handle hangs under its line
    finger(
        text,
        ("touchStart", x, y),
        ("touchMove", (x + to_x) / 2, (y + to_y) / 2),
        ("touchMove", to_x, to_y),
        ("touchEnd", 0, 0),
    )


def test_a_drag_shows_whole_words_before_it_ends(read: Read) -> None:
    text = read(BLOOM)
    text.page.mouse.move(*text.middle_of("third"))
    text.page.mouse.down()
    text.page.mouse.move(*text.middle_of("bum"), steps=3)
    text.page.wait_for_function("reader.selection && reader.quote(reader.selection) === 'third album'")
    assert text.painted("selection") == ["third album"]
    text.page.mouse.move(*text.middle_of("ird"), steps=3)
    text.page.wait_for_function("reader.quote(reader.selection) === 'third'")
    text.page.mouse.up()
    assert text.selected == "third"
    assert text.page.evaluate("getSelection().isCollapsed")


@pytest.mark.parametrize("held", ["Shift", "Alt"])
def test_a_held_key_makes_a_drag_exact(read: Read, held: str) -> None:
    text = read(BLOOM)
    text.page.mouse.click(*text.middle_of("won"))  # leaves a caret, from which Shift would go on
    left, right = text.middle_of("eleas"), text.middle_of("eleas", at_end=True)
    text.page.mouse.move(left[0] - 3, left[1])
    text.page.keyboard.down(held)
    text.page.mouse.down()
    text.page.mouse.move(right[0] + 3, right[1], steps=4)
    text.page.mouse.up()
    text.page.keyboard.up(held)
    assert text.selected == "eleas"


def test_a_backward_drag_across_lines(read: Read) -> None:
    text = read("First line here.\nSecond line there.")
    text.page.mouse.move(*text.middle_of("there"))
    text.page.mouse.down()
    text.page.mouse.move(*text.middle_of("here"), steps=4)
    text.page.mouse.up()
    assert text.selected == "here.\nSecond line there"


def test_clicks(read: Read) -> None:
    text = read(BLOOM)
    text.page.mouse.dblclick(*text.middle_of("third"))
    assert text.selected == "third"
    text.page.mouse.click(890, 690)  # beside the text: nothing happens to it
    assert text.selected == "third"
    text.press("Escape", "Escape")
    text.page.mouse.click(*text.middle_of("won"))
    assert text.said == "won"
    text.page.mouse.click(*text.middle_of("It"))
    assert text.selected == "It was his third album and won"
    text.press("Control+a")
    text.page.mouse.click(890, 690)
    assert text.selected == "It was his third album and won"


def test_a_short_drag_inside_a_word_without_blanks_around(read: Read) -> None:
    text = read("彼は東京で生まれた。", language="ja")
    text.page.mouse.move(*text.middle_of("東"))
    text.page.mouse.down()
    text.page.mouse.move(*text.middle_of("京"), steps=3)
    text.page.mouse.up()
    assert text.selected == "東京"


def test_a_finger_taps_twice_and_drags_the_handles(read: Read) -> None:
    text = read(BLOOM, **PHONE)
    assert text.page.evaluate("document.documentElement.scrollWidth") == 360
    text.page.touchscreen.tap(*text.middle_of("his"))
    text.page.wait_for_timeout(400)  # not a double tap
    text.page.touchscreen.tap(*text.middle_of("album"))
    assert text.selected == "his third album"
    drag_handle(text, "end", BLOOM.index("won") + 2, is_after=True)
    assert text.selected == "his third album and won"
    drag_handle(text, "start", BLOOM.index("third") + 2, is_after=False)
    assert text.selected == "ird album and won"
    drag_handle(text, "start", BLOOM.index("ARIA"), is_after=False)  # cannot go past the other end
    assert text.selected == "n"
    text.press("1")
    assert text.marked == ["n"]
    assert not text.page.locator(".work-handle:visible").count()  # whoever types has keys


def test_a_finger_moves_the_edges_of_a_violation(read: Read) -> None:
    text = read(BLOOM, **PHONE)
    text.mark("third album", "minor")
    text.page.touchscreen.tap(*text.middle_of("third"))
    assert text.painted("major") == ["third album"]  # the tap picked it
    drag_handle(text, "end", BLOOM.index("won") + 2, is_after=True)
    assert text.marked == ["third album and won"]


def test_what_a_finger_selects_by_holding_is_taken_over(read: Read) -> None:
    text = read(BLOOM, **PHONE)
    at = BLOOM.index("ird al")
    text.page.evaluate(
        "([from, to]) => { const { startContainer: node } = reader.map.range(0, 1);"
        " getSelection().setBaseAndExtent(node, from, node, to); }",
        [at, at + 6],
    )
    text.page.wait_for_function("reader.selection !== null")
    assert text.selected == "third album"
    assert not text.page.locator(".work-handle:visible").count()  # the browser shows its own


def test_a_view_maps_to_the_source(read: Read) -> None:
    text = read(SOURCE, output=VIEW)
    text.page.evaluate(LOAD_VIEW, SOURCE)
    text.walk_to("Bloom")
    text.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert text.selected == "Bloom\n\nIt"
    text.press("Shift+ArrowRight", "Control+Shift+ArrowLeft")  # what is not shown is stepped over
    assert text.selected == "Bloom\n\nIt **wa"
    text.drag("was")
    assert text.selected == "was"
    text.drag("It **was** out")
    assert text.selected == "It **was** out"
    text.press("1")
    assert text.marked == ["It **was** out"]
    assert text.painted("major") == ["It was out"]


def test_a_view_says_what_it_cannot_map(read: Read) -> None:
    text = read(SOURCE, output=VIEW)
    text.page.evaluate(LOAD_VIEW, SOURCE)
    text.drag("out &amp; sold")
    assert "cannot be marked here" in text.said
    assert text.selection is None
    text.press("Escape")
    text.walk_to("out")
    text.press("Shift+ArrowRight", "Shift+ArrowRight")
    assert "cannot be marked here" in text.said
    assert text.selected == "out"
    text.drag("sold.\n\n1. One")  # blanks between blocks are no hindrance
    assert text.selected == "sold.\n\n1. One"


def test_another_text_takes_the_place_of_this_one(read: Read) -> None:
    text = read(BLOOM)
    text.mark("third album")
    text.press("ArrowRight", "Shift+ArrowRight", "[")
    text.page.evaluate("() => { reader.root.textContent = 'Ein 🚀 anderer Text.'; reader.load({ language: 'de' }); }")
    assert (text.selection, text.painted("major"), text.painted("selection")) == (None, [], [])
    text.text = "Ein 🚀 anderer Text."
    text.walk_to("anderer")
    text.press("Shift+ArrowRight")
    assert text.selected == "anderer"
    text.drag("🚀 anderer")
    assert text.selected == "🚀 anderer"
    text.page.evaluate("reader.dispose()")
    assert text.page.locator(".work-handle").count() == 0
    text.page.mouse.click(*text.middle_of("Text"))
    assert text.selected == "🚀 anderer"


def test_without_highlights_stretches_are_wrapped(read: Read) -> None:
    text = read(BLOOM + " \u202eend", before="delete window.Highlight")
    text.mark("his third album", "minor")
    text.mark("third", "critical")
    text.drag("album and won")
    text.press("1")
    assert text.marked == ["his third album", "third", "album and won"]
    found = text.page.locator("#output mark")
    assert found.all_inner_texts() == ["his ", "third", " ", "album", " and won"]
    assert found.nth(1).get_attribute("class") == "work-minor work-inner-critical"
    assert text.page.evaluate("output.textContent") == text.text
    text.drag("album and won")
    assert text.selected == "album and won"
    text.page.evaluate("reader.dispose()")
    assert text.page.locator("#output mark").count() == 0
    assert text.page.evaluate("output.firstChild.data") == BLOOM + " "


def test_a_text_is_put_in_without_working_out_its_direction_for_every_piece(read: Read) -> None:
    text = read("x")
    found = text.page.evaluate(
        """async () => {
          const { fill } = await import("/static/js/work/sheet.js");
          let during;
          output.replaceChildren = (...nodes) => {
            during = output.dir;
            Element.prototype.replaceChildren.apply(output, nodes);
          };
          fill(output, ["ש", ["\u200b", "ZWSP"], "x"]);
          return [during, output.dir, getComputedStyle(output).direction];
        }"""
    )
    assert found == ["", "auto", "rtl"]
