"""The Work page in Chromium, measured: `python -m tests.bench.page [--presses 60] [--submits 100]`.

From a key or a move of the mouse to the frame that shows what it did, on an output of 50,000 characters with 200
violations; then from Ctrl+Enter to the next output on the screen, marked in between as a person would, by keys alone:
a span of two words, its tag, major, submit. Production settings under gunicorn, loopback only. Everything stays in the
database of DATABASE_URL, so give it one to throw away.

A time begins with the input's own time stamp and ends in the first task after the frame's scripts: the browser waits
for its next frame in between (16.7 ms at 60 a second), so what costs nothing takes half a frame to a whole one.
"""

from __future__ import annotations

import argparse
import os
import platform
import random

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright keeps an event loop in this thread

import django

django.setup()

from django.core.management import call_command  # noqa: E402 - Django is set up first
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from annotate import clock  # noqa: E402
from annotate.accounts.models import User  # noqa: E402
from annotate.campaigns.models import Campaign  # noqa: E402
from annotate.intake.models import Output  # noqa: E402
from annotate.queue import actions  # noqa: E402
from annotate.queue.models import Lease  # noqa: E402
from tests.bench import queue_load, queue_world  # noqa: E402
from tests.browser.conftest import ARGUMENTS, chromium  # noqa: E402

CHARACTERS = 50_000
VIOLATIONS = 200
WORDS = ("the", "a", "of", "in", "album", "released", "third", "August", "was", "won", "it", "1985", "🚀", "naïve")
LIMIT_MS = {"input": 50, "submit": 150}

# `expected(kind)` makes a promise of the milliseconds from the next input of that kind to the frame that shows it:
# after the frame's scripts, in the first task that follows. A drag is shown when the painted selection is another one,
# a submit when the output's text is.
TIMES = """
let begun = 0;
let asked = null;
const afterFrame = (then) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = then;
  channel.port2.postMessage(0);
});
const selected = () => {
  const [range] = CSS.highlights.get("work-selection") ?? [];
  return range && [range.startOffset, range.endOffset, range.toString()].join();
};
const record = (kind) => {
  if (asked?.kind !== kind) return;
  const { resolve } = asked;
  const began = begun;
  const before = kind === "pointermove" && selected();
  asked = null;
  let frames = 0;
  const look = () => {
    const isShown = kind !== "pointermove" || selected() !== before;
    if (isShown || ++frames === 10) resolve(isShown ? performance.now() - began : -1);
    else afterFrame(look);
  };
  afterFrame(look);
};
const note = ({ timeStamp, type }) => {
  begun = timeStamp;
  record(type);
};
addEventListener("keydown", note, { capture: true });
addEventListener("pointermove", note, { capture: true });
globalThis.expected = (kind) => {
  globalThis.took = new Promise((resolve, reject) => {
    asked = { kind, resolve };
    setTimeout(() => reject(new Error(`nothing was painted: ${kind}`)), 10_000);
  });
  if (kind !== "shown") return;
  const seen = new MutationObserver(() => {
    seen.disconnect();
    record("shown");
  });
  seen.observe(document.getElementById("output"), { childList: true, characterData: true, subtree: true });
};
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--presses", type=int, default=60)
    parser.add_argument("--submits", type=int, default=100)
    options = parser.parse_args()
    call_command("collectstatic", interactive=False, verbosity=0)
    long = queue_world.filled(outputs=1, overlap=1)
    short = queue_world.filled(outputs=options.submits + 10, overlap=1)
    reader, judge = queue_world.member(long, "reader"), queue_world.member(short, "judge")
    make_long(long, reader)
    with queue_load.served() as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(ARGUMENTS))
        say(f"Chromium {browser.version}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        typing(opened(browser, port, long, reader), options.presses)
        submitting(opened(browser, port, short, judge), options.submits)
        browser.close()


def make_long(campaign: Campaign, annotator: User) -> None:
    """One output of CHARACTERS, leased to the annotator, with one violation less than there may be."""
    chance = random.Random(1)
    text = ""
    while len(text) < CHARACTERS:
        sentence = " ".join(chance.choice(WORDS) for _ in range(chance.randint(6, 18)))
        text += sentence + (".\n\n" if chance.random() < 0.12 else ". ")
    output = Output.objects.get(campaign=campaign)
    output.text = text[:CHARACTERS]
    output.save()
    lease = actions.lease_next(campaign=campaign, annotator=annotator, now=clock.now())
    assert lease is not None
    step = CHARACTERS // VIOLATIONS
    violations = [
        {
            "tag": "invented-fact",
            "scope": "span",
            "severity": ("minor", "major", "critical")[number % 3],
            "start": number * step + chance.randrange(50),
            "end": number * step + chance.randrange(60, 200),
            "critique": "This is not so." if number % 4 == 0 else "",
            "correction": "",
        }
        for number in range(VIOLATIONS - 1)
    ]
    draft = {"violations": violations, "verdict": "", "comment": ""}
    Lease.objects.filter(token=lease.token).update(draft=draft, draft_version=1)


def opened(browser: Browser, port: int, campaign: Campaign, user: User) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=f"http://127.0.0.1:{port}")
    cookie = {"name": "sessionid", "value": queue_world.session(user), "url": f"http://127.0.0.1:{port}"}
    context.add_cookies([cookie])  # type: ignore[list-item]
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.add_init_script(TIMES)
    page.goto(f"/c/{campaign.slug}/work/")
    page.wait_for_load_state("networkidle")
    if wrong:
        raise RuntimeError(f"the page's script failed: {wrong}")
    page.locator("#output").focus()
    return page


def typing(page: Page, presses: int) -> None:
    """Each key as often as asked; what one adds the next one takes away, so that there are never more violations."""
    listed = page.locator("#violations > li")
    assert listed.count() == VIOLATIONS - 1, listed.count()
    pressed(page, "words found, first frame", 1, "ArrowRight")
    pressed(page, "nothing (a key that does nothing)", presses, "F9")
    pressed(page, "arrow", presses, "ArrowRight", "ArrowDown")
    pressed(page, "Shift+arrow", presses, "Shift+ArrowRight", "Shift+ArrowDown")
    pressed(page, "Ctrl+Shift+arrow (a character)", presses, "Control+Shift+ArrowRight")
    pressed(page, "Escape, sentence", presses, "Escape", "v")
    took: dict[str, list[float]] = {"tag": [], "severity": [], "edge": [], "undo": []}
    for _ in range(presses):
        press(page, "Shift+ArrowRight")
        took["tag"].append(press(page, "1"))
        took["severity"] += [press(page, "m"), press(page, "M")]
        press(page, "]")
        took["edge"] += [press(page, "ArrowRight"), press(page, "Control+ArrowRight")]
        press(page, "Escape")
        took["undo"] += [press(page, "Control+z") for _ in range(4)]
        assert listed.count() == VIOLATIONS - 1
    for name, values in took.items():
        report(f"{name} key", values)
    report("drag, each move", dragged(page, presses))


def pressed(page: Page, name: str, presses: int, *keys: str) -> None:
    report(f"{name}", [press(page, keys[number % len(keys)]) for number in range(presses)])


def press(page: Page, key: str, *, kind: str = "keydown") -> float:
    """Milliseconds from the key to the frame."""
    page.evaluate(f"expected('{kind}')")
    page.keyboard.press(key)
    return float(page.evaluate("took"))


def dragged(page: Page, moves: int) -> list[float]:
    box = page.locator("#output").bounding_box()
    assert box is not None
    left, top = box["x"] + 20, 300
    page.mouse.move(left, top)
    page.mouse.down()
    took = []
    for number in range(1, moves + 1):
        page.evaluate("expected('pointermove')")
        page.mouse.move(left + (number * 137) % 600, top + (number % 12) * 42)  # always another line
        took.append(float(page.evaluate("took")))
    page.mouse.up()
    shown = [each for each in took if each >= 0]  # from the end of a paragraph into the gap below it, nothing changes
    assert len(shown) > moves * 0.7
    return shown


def submitting(page: Page, submits: int) -> None:
    took = []
    for _ in range(submits):
        for key in ("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "1", "M"):
            page.keyboard.press(key)
        took.append(press(page, "Control+Enter", kind="shown"))
    report("submit to the next output", took, limit=LIMIT_MS["submit"])


def report(name: str, values: list[float], *, limit: int = LIMIT_MS["input"]) -> None:
    ordered = sorted(values)
    p50, p95 = ordered[len(ordered) // 2], ordered[min(len(ordered) * 95 // 100, len(ordered) - 1)]
    verdict = "" if p95 < limit else f"  OVER {limit} ms"
    say(f"{name:36} {len(values):4} times  p50 {p50:6.1f}  p95 {p95:6.1f}  max {ordered[-1]:6.1f} ms{verdict}")


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
