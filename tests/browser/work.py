"""What the tests of the Work page have in common: pressing, waiting for what was pressed, counting requests."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Request, expect

BLOOM = "Bloom was released on 31 August 2018 by EMI. It was his third album and won the ARIA award."
WORK = "/c/answers/work/"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def text_of(page: Page) -> str:
    return str(page.locator("#output").evaluate("element => element.textContent"))


def saved(page: Page) -> None:
    """Wait until what is marked is a draft on the server."""
    expect(page.locator("#saved")).to_contain_text("Saved")


def said(page: Page, text: str) -> None:
    expect(page.locator("#last-says")).to_have_text(text)


def submit(page: Page, *, says: str = "Saved") -> None:
    """Submit by key, and wait until the server has it."""
    with page.expect_response("**/judgment/"):
        press(page, "Control+Enter")
    expect(page.locator("#last-says")).to_contain_text(says)


def prefetched(page: Page) -> None:
    """Wait until the page has the sheet after the first one; to be called right after opening it."""
    page.evaluate(
        """() => new Promise((resolve) => {
          new PerformanceObserver((list) => {
            if (list.getEntries().some(({ name }) => name.endsWith("/next/"))) setTimeout(resolve, 50);
          }).observe({ type: "resource", buffered: true });
        })"""
    )


def items(page: Page) -> Any:
    return page.locator("#violations li")


def walk_to(page: Page, text: str, word: str) -> None:
    """Move the cursor to the word by the right arrow alone (left where the text runs from right to left)."""
    key = "ArrowLeft" if page.evaluate("getComputedStyle(output).direction") == "rtl" else "ArrowRight"
    for _ in range(len(text)):
        press(page, key)
        if page.locator("#announce").inner_text() == word:
            return
    raise AssertionError(f"the cursor never came to {word!r}")


def point_of(page: Page, words: str, *, at_end: bool = False) -> tuple[float, float]:
    """Return the middle of the first or last character of some words of the output."""
    box = page.evaluate(
        """([words, atEnd]) => {
          const walker = document.createTreeWalker(document.getElementById("output"), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(words);
            if (at < 0) continue;
            const range = document.createRange();
            const from = atEnd ? at + words.length - 1 : at;
            range.setStart(walker.currentNode, from);
            range.setEnd(walker.currentNode, from + 1);
            const { x, y, width, height } = range.getBoundingClientRect();
            return [x + width / 2, y + height / 2];
          }
        }""",
        [words, at_end],
    )
    return round(box[0]), round(box[1])  # a mouse moves by whole pixels; Chromium selects nothing from some others


def drag(page: Page, words: str) -> None:
    (left, top), (right, bottom) = point_of(page, words), point_of(page, words, at_end=True)
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move((left + right) / 2, bottom, steps=3)
    page.mouse.move(right, bottom, steps=3)
    page.mouse.up()


class Requests:
    """What the page asks of the server from now on, pages' own files aside."""

    def __init__(self, page: Page) -> None:
        self.made: list[str] = []
        page.on("request", self._note)

    def _note(self, request: Request) -> None:
        if "/static/" not in request.url:
            self.made.append(request.url.rstrip("/").rsplit("/", 1)[-1])
