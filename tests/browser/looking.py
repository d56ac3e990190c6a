"""Looking at a page for everybody: what axe-core finds, what stands out at the side, what is cut off, what moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Page, ViewportSize

from tests.browser.conftest import Open

if TYPE_CHECKING:
    from annotate.accounts.models import User

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
COLOURS = ["color-contrast", "link-in-text-block"]
NARROW_RULES = ["target-size", "scrollable-region-focusable"]
DESK = ViewportSize(width=1280, height=800)
ZOOMED = ViewportSize(width=640, height=400)  # 1280 x 800 at 200 %
NARROW = ViewportSize(width=320, height=640)  # 1280 at 400 %
# WCAG 1.4.12: what people set, and nothing may be lost.
SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }
p { margin-bottom: 2em !important; }"""
SPACE_OUT = """(css) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  document.adoptedStyleSheets = [sheet];
}"""
# Elements that stand out at the side, and parts that scroll sideways although they are neither tables nor code.
OVER_THE_EDGE = """async () => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); // what resizes by itself
  const width = document.documentElement.clientWidth;
  const inside = [...document.body.querySelectorAll("*")].filter((each) => {
    if (each.scrollWidth <= each.clientWidth + 1) return false;
    if (each.matches(".table-wrap, .tabs, pre, input, textarea")) return false;
    return each.clientWidth && ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
  }).map((each) => `scrolls inside: ${each.tagName.toLowerCase()}#${each.id}.${each.className}`);
  if (document.documentElement.scrollWidth <= width) return inside;
  const isInScroller = (element) => {
    for (let each = element.parentElement; each && each !== document.body; each = each.parentElement) {
      if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(each).overflowX)) return true;
    }
    return false;
  };
  const over = [...document.body.querySelectorAll("*")].filter((each) => {
    const { right, width: own } = each.getBoundingClientRect();
    return own > 0 && right > width + 1 && !isInScroller(each);
  });
  const named = over.map((each) => `${each.tagName.toLowerCase()}${each.id && "#" + each.id}.${each.className}`);
  return [...inside, `scrolls to ${document.documentElement.scrollWidth}: ${named.slice(0, 5).join(", ")}`];
}"""
# Text that is cut off where nobody can scroll to it.
CUT_OFF = """() => [...document.body.querySelectorAll("*")].filter((each) => {
  const style = getComputedStyle(each);
  if (style.webkitLineClamp !== "none") return false; // an excerpt; its link leads to the whole
  const isCut = ["hidden", "clip"].includes(style.overflowY) && each.scrollHeight > each.clientHeight + 2;
  return isCut && each.clientHeight > 2 && each.textContent.trim() && style.clipPath === "none";
}).map((each) => `cut off: ${each.tagName.toLowerCase()}.${each.className} ${each.textContent.trim().slice(0, 40)}`)"""


# Nothing moves for those who ask for that.
MOVING = """() => document.getAnimations().map(({ effect, animationName, transitionProperty }) =>
  `moves: ${effect?.target?.className} ${animationName ?? transitionProperty}`)"""


def opened(open_page: Open, user: User | None = None) -> Page:
    """A browser with axe-core in every page of it."""
    page = open_page("/healthz", user, viewport=DESK, color_scheme="light", reduced_motion="reduce")
    page.context.add_init_script(path=AXE)
    return page


def axe(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds: one line per rule and element."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": WCAG}
    found = page.evaluate(
        """async (options) => {
          const { violations } = await axe.run(document, options);
          return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => {
            return [id, target.join(" "), failureSummary];
          }));
        }""",
        {"runOnly": only, "resultTypes": ["violations"], "rules": {} if rules else {"target-size": {"enabled": True}}},
    )
    return [f"{rule}: {target}: {' '.join(said.split())[:300]}" for rule, target, said in found]


def settle(page: Page) -> None:
    """Fonts, modules and what they changed at once."""
    page.evaluate("document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => done())))")


def look(page: Page) -> list[str]:
    """Everything that is wrong with the page as it stands, in every way of looking at it."""
    settle(page)
    found: list[str] = axe(page) + page.evaluate(MOVING)
    page.emulate_media(color_scheme="dark")
    found += [f"dark {each}" for each in axe(page, COLOURS)]
    page.emulate_media(color_scheme="light")
    for name, size in (("at 200 %", ZOOMED), ("at 320 px", NARROW)):
        page.set_viewport_size(size)
        found += [f"{name} {each}" for each in page.evaluate(OVER_THE_EDGE)]
    found += [f"at 320 px {each}" for each in axe(page, NARROW_RULES)]
    page.evaluate(SPACE_OUT, SPACED)
    found += [f"spaced out {each}" for each in page.evaluate(OVER_THE_EDGE) + page.evaluate(CUT_OFF)]
    page.evaluate("() => { document.adoptedStyleSheets = []; }")
    page.set_viewport_size(DESK)
    return found
