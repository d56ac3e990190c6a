"""Keys in Chromium: what a key asks for on keyboards of many layouts, where keys are dead, and the Keys page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from annotate.accounts import actions as account_actions
from annotate.accounts import keys
from annotate.accounts.models import User
from tests import factories
from tests.annotate.queue import rows
from tests.browser.conftest import Open
from tests.conftest import ROOT

URL = "http://keys.test/"
STATIC = ROOT / "frontend" / "static"
TAGS = [{"slug": "invented", "name": "invented fact", "key": "1"}, {"slug": "tone", "name": "tone", "key": "b"}]
PAGE = """<!doctype html><html lang="en"><body>
<button id="open" popovertarget="pop">Open</button><div id="pop" popover><p tabindex="0" id="in-pop">inside</p></div>
<dialog id="dialog"><button id="in-dialog">inside</button></dialog>
<input id="input"><textarea id="textarea"></textarea><select id="select"><option>one</option><option>two</option>
</select><div id="editable" contenteditable>x</div><input id="radio" type="radio"><input id="checkbox" type="checkbox">
<p id="text" tabindex="0">text</p>
<script type="application/json" id="data">%s</script>
<script type="module">
import { Keymap } from "/static/js/work/keymap.js";
const { tags, preferences } = JSON.parse(document.getElementById("data").textContent);
const keymap = new Keymap(tags, preferences);
const asked = [];
document.addEventListener("keydown", (event) => {
  const found = keymap.asked(event);
  if (found) asked.push(found.action ?? `tag ${found.tag}`);
});
Object.assign(window, { keymap, asked });
text.focus();
document.title = "ready";
</script>"""
Start = Callable[..., Page]


@pytest.fixture
def start(browser: Browser) -> Iterator[Start]:
    """A page that has nothing but the key map: `start(keys={...}, single_keys=True, tags=TAGS)`."""
    contexts: list[BrowserContext] = []

    def started(*, chosen: dict[str, list[str]] | None = None, single_keys: bool = True, tags: Any = TAGS) -> Page:
        preferences = {"actions": keys.listed(chosen or {}), "single_keys": single_keys, "view": "", "url": "/"}
        content = PAGE % json.dumps({"tags": tags, "preferences": preferences})
        context = browser.new_context()
        contexts.append(context)
        context.route(f"{URL}**", lambda route: _serve(route, content))
        page = context.new_page()
        page.goto(URL)
        page.wait_for_function("document.title === 'ready'")
        return page

    yield started
    for context in contexts:
        context.close()


def _serve(route: Route, content: str) -> None:
    path = urlparse(route.request.url).path
    if path == "/":
        route.fulfill(body=content, content_type="text/html")
    elif path.startswith("/static/"):
        route.fulfill(path=STATIC / path.removeprefix("/static/"), content_type="text/javascript")
    else:
        route.fulfill(status=204)


def asks(page: Page, key: str, code: str = "", **more: Any) -> str:
    """What a key event asks for, as a layout would send it."""
    return str(
        page.evaluate(
            """([key, code, more]) => {
              const { capsLock, altGraph, ...rest } = more;
              const held = { modifierCapsLock: capsLock, modifierAltGraph: altGraph };
              const init = { key, code, bubbles: true, ...held, ...rest };
              asked.length = 0;
              text.dispatchEvent(new KeyboardEvent("keydown", init));
              return asked.join();
            }""",
            [key, code, more],
        )
    )


def pressed(page: Page, *names: str) -> list[str]:
    """What real key presses ask for, one after the other."""
    page.evaluate("asked.length = 0")
    for name in names:
        page.keyboard.press(name)
    return list(page.evaluate("asked"))


def test_usual_keys_by_real_presses(start: Start) -> None:
    page = start()
    names = [(action.name, key) for action in keys.ACTIONS for key in action.keys]
    found = pressed(page, *(key.replace("Ctrl+", "Control+") for _, key in names))
    assert found == [name for name, _ in names]
    assert pressed(page, "1", "b", "Shift+m", "x", "Alt+m", "Control+m", "F2") == ["tag invented", "tag tone", "major"]


@pytest.mark.parametrize(
    ("layout", "presses"),
    [
        ("us", [("g", "KeyG", "nothingWrong"), ("1", "Digit1", "tag invented"), ("!", "Digit1 shift", "")]),
        # digits need Shift; letters are where their names say
        (
            "azerty",
            [("&", "Digit1", "tag invented"), ("1", "Digit1 shift", "tag invented"), ("m", "Semicolon", "minor")],
        ),
        ("qwertz", [("z", "KeyY ctrl", "undo"), ("y", "KeyZ ctrl", "redo"), ("/", "Digit7 shift", "search")]),
        ("dvorak", [("j", "KeyC", "nextSentence"), ("c", "KeyI", "cannotTell"), ("'", "KeyQ", "")]),
        ("bépo", [("é", "KeyW", ""), ("v", "KeyU", "sentence"), ('"', "Digit1", "tag invented")]),
        ("czech", [("+", "Digit1", "tag invented"), ("1", "Digit1 shift", "tag invented")]),
        ("cyrillic", [("п", "KeyG", "nothingWrong"), ("Ь", "KeyM shift", "major"), ("ь", "KeyM", "minor")]),
        ("cyrillic ctrl", [("я", "KeyZ ctrl", "undo"), ("Я", "KeyZ ctrl shift", "redo"), ("и", "KeyB", "tag tone")]),
        ("greek", [("γ", "KeyG", "nothingWrong"), ("μ", "KeyM", "minor"), ("Μ", "KeyM shift", "major")]),
        ("hebrew", [("ע", "KeyG", "nothingWrong"), ("ב", "KeyC", "cannotTell"), ("ז", "KeyZ ctrl", "undo")]),
        ("arabic", [("ل", "KeyG", "nothingWrong"), ("١", "Digit1", "tag invented"), ("لا", "KeyB", "tag tone")]),
        ("devanagari", [("ि", "KeyF", ""), ("ु", "KeyG", "nothingWrong")]),
        ("turkish", [("ı", "KeyI", ""), ("i", "Quote", "guidelines")]),
        ("numpad", [("1", "Numpad1", "tag invented"), ("Enter", "NumpadEnter ctrl", "submit")]),
        ("mac", [("z", "KeyZ meta", "undo"), ("z", "KeyZ meta shift", "redo"), ("Enter", "Enter meta", "submit")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_layouts(start: Start, layout: str, presses: list[tuple[str, str, str]]) -> None:
    page = start()
    for key, at, expected in presses:
        code, *held = at.split()
        assert asks(page, key, code, **{f"{name}Key": True for name in held}) == expected, (layout, key)


def test_what_is_not_finished_is_no_key(start: Start) -> None:
    page = start()
    assert asks(page, "Dead", "Digit1") == ""
    assert asks(page, "Process", "KeyG") == ""
    assert asks(page, "g", "KeyG", isComposing=True) == ""
    assert asks(page, "g", "KeyG", keyCode=229) == ""
    assert asks(page, "Unidentified", "KeyG") == ""
    assert asks(page, "Shift", "ShiftLeft", shiftKey=True) == ""
    assert asks(page, "g", "KeyG", altKey=True) == ""
    assert asks(page, "€", "KeyE", altGraph=True) == ""
    assert asks(page, "[", "Digit8", altGraph=True) == "startEdge"


def test_caps_lock_is_not_shift(start: Start) -> None:
    page = start()
    assert asks(page, "M", "KeyM", capsLock=True) == "minor"
    assert asks(page, "m", "KeyM", capsLock=True, shiftKey=True) == "major"
    assert asks(page, "П", "KeyG", capsLock=True) == "nothingWrong"


def test_keys_are_dead_where_somebody_types_or_a_dialog_is_open(start: Start) -> None:
    page = start()
    for where in ("input", "textarea", "select", "editable", "radio"):
        page.locator(f"#{where}").focus()
        assert pressed(page, "g", "1", "Delete", "ArrowLeft", "?", "Control+z") == [], where
        assert pressed(page, "Control+Enter", "Escape") == ["submit", "clear"], where
    page.locator("#checkbox").focus()
    assert pressed(page, "g") == ["nothingWrong"]
    page.locator("#open").click()
    page.locator("#in-pop").focus()
    assert pressed(page, "g", "1", "Control+Enter") == []
    page.keyboard.press("Escape")
    page.evaluate("document.getElementById('dialog').showModal()")
    assert pressed(page, "g", "1", "Control+Enter") == []
    page.keyboard.press("Escape")
    assert pressed(page, "g") == ["nothingWrong"]


def test_a_submit_key_that_types_is_dead_while_typing(start: Start) -> None:
    page = start(chosen={"submit": ["x", "Delete", "F8"], "clear": ["q"]})
    page.locator("#textarea").focus()
    assert pressed(page, "x", "Delete", "q") == []
    assert pressed(page, "F8", "Escape") == ["submit", "clear"]
    assert page.locator("#textarea").input_value() == "xq"


def test_single_keys_off(start: Start) -> None:
    page = start(single_keys=False)
    assert pressed(page, "g", "1", "?", "M", "[") == []
    assert pressed(page, "ArrowLeft", "Delete", "Control+z") == ["left", "remove", "undo"]
    assert asks(page, "п", "KeyG") == asks(page, "&", "Digit1") == ""


def test_chosen_keys_take_the_place_of_the_usual_ones(start: Start) -> None:
    page = start(chosen={"minor": ["g"], "nothingWrong": ["F2", "Ctrl+Shift+G"]})
    assert pressed(page, "g", "m", "F2", "Control+Shift+g") == ["minor", "nothingWrong", "nothingWrong"]
    assert page.evaluate("[keymap.labelOf('minor'), keymap.labelOf('left'), keymap.labelOf('none')]") == ["g", "←", ""]


def test_a_tag_whose_key_is_the_persons_gets_another(start: Start) -> None:
    page = start(chosen={"minor": ["1"]})
    assert page.evaluate("keymap.moved.map(({ slug }) => slug)") == ["invented"]
    assert page.evaluate("['invented', 'tone', 'other'].map((slug) => keymap.keyOf(slug))") == ["2", "b", ""]
    assert pressed(page, "1", "2", "b") == ["minor", "tag invented", "tag tone"]


def test_no_tag_and_no_action_is_out_of_reach_of_keys(start: Start) -> None:
    tags = [{"slug": key, "name": key, "key": key} for key in "1234567890bdfhlnpxyqw"]
    page = start(tags=tags, chosen={"minor": ["1"], "major": ["b"]})
    reached = page.evaluate(
        "Object.fromEntries([...'1234567890bdfhlnpxyqw'].map((slug) => [slug, keymap.keyOf(slug)]))"
    )
    given = [key for key in reached.values() if key]
    assert len(given) == len(set(given)) == len(tags)  # "m" is free now, and the next one is a capital
    assert set(given) & {"1", "b"} == set()


@pytest.mark.django_db(transaction=True)
class TestKeysPage:
    @pytest.fixture
    def ada(self) -> User:
        return factories.user("ada")

    def test_a_key_is_chosen_by_pressing_it(self, open_page: Open, ada: User) -> None:
        page = open_page("/account/keys/", ada)
        page.get_by_role("button", name="Press a key for “minor”").click()
        page.keyboard.press("Control+ArrowUp")
        expect(page.locator("#key-minor")).to_have_value("Ctrl+↑")
        expect(page.locator("#key-said")).to_contain_text("for “minor” when you save")
        page.get_by_role("button", name="Press a key for “skip”").click()
        page.keyboard.press("Tab")  # leaves it
        expect(page.locator(".key-press[aria-pressed=true]")).to_have_count(0)
        expect(page.locator("#key-skip")).to_have_value("s")
        page.locator("main").get_by_role("button", name="Save the keys").last.click()
        expect(page.locator("#notices")).to_contain_text("Your keys were saved.")
        ada.refresh_from_db()
        assert ada.preferences["keys"] == {"minor": ["Ctrl+ArrowUp"]}

    def test_without_scripts_keys_are_written(self, open_page: Open, ada: User) -> None:
        page = open_page("/account/keys/", ada, java_script_enabled=False)
        page.locator("#key-skip").fill("g")
        page.locator("#key-skip").press("Enter")
        expect(page.locator(".field-error")).to_have_text("“g” cannot be both “nothing wrong” and “skip”.")
        expect(page.locator("#key-skip")).to_have_value("g")
        page.locator("#key-skip").fill("q")
        page.locator("#key-skip").press("Enter")
        page.get_by_role("button", name="Reset “skip” to s").click()
        expect(page.locator("#key-skip")).to_have_value("s")
        ada.refresh_from_db()
        assert "keys" not in ada.preferences


@pytest.mark.django_db(transaction=True)
class TestOnTheWorkPage:
    @pytest.fixture
    def ada(self) -> User:
        campaign = rows.campaign()
        rows.outputs(campaign, "Bloom was released in 2018.")
        return rows.person("ada", campaign=campaign)

    def work(self, open_page: Open, ada: User) -> Page:
        page = open_page("/c/answers/work/", ada)
        expect(page.locator("#output")).to_be_focused()
        return page

    def test_the_persons_keys_are_in_force_and_listed(self, open_page: Open, ada: User) -> None:
        chosen = {"keys": {"minor": ["1"], "cannotTell": ["q"]}}
        account_actions.set_preferences(user=ada, changes=chosen, now=rows.NOW)
        page = self.work(open_page, ada)
        expect(page.locator("[value=cannot_tell] kbd")).to_have_text("q")
        expect(page.locator("[data-tag=invented] kbd")).to_have_text("5")  # 1 is Ada's, 2 to 4 are other tags'
        page.keyboard.press("5")
        expect(page.locator("#violations .violation-tag")).to_have_text("invented fact")
        page.keyboard.press("1")
        expect(page.locator("#violations [aria-pressed=true][data-severity]")).to_have_text("minor")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_contain_text(
            "The campaign gives 1 to “invented fact”, but 1 is your key for “minor”: it is 5 here."
        )
        expect(page.locator("#keys").get_by_role("link", name="Change the keys")).to_have_attribute(
            "href", "/account/keys/"
        )

    def test_single_keys_are_switched_off_for_good(self, open_page: Open, ada: User) -> None:
        page = self.work(open_page, ada)
        page.keyboard.press("?")
        with page.expect_response("**/account/preferences/") as saved:
            page.locator("#single-keys").uncheck()
        assert saved.value.ok
        page.reload()
        expect(page.locator("#output")).to_be_focused()
        page.keyboard.press("1")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_hidden()
        page.locator("#open-keys").click()
        expect(page.locator("#single-keys")).not_to_be_checked()
        expect(page.locator("#violations li")).to_have_count(0)
        ada.refresh_from_db()
        assert ada.preferences == {"single_keys": False}
