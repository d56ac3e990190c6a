"""Which key does what on the Work page: the one place that names the actions and their usual keys. No database.

A key is written "m", "M", "ArrowLeft", "Shift+ArrowLeft", "Ctrl+Z" or "Ctrl+Shift+Z": Shift is written where the
character does not show it, and Ctrl is Command on a Mac. People change keys for themselves (User.preferences), tags
of a campaign take what is left (campaigns.tags). To add an action, add a line here and a function in the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

KEYS_AT_MOST = 4


@dataclass(frozen=True)
class Action:
    """`says` fits into a sentence and a list; `more` is what a list adds to it."""

    name: str
    group: str
    says: str
    keys: tuple[str, ...]
    more: str = ""


ACTIONS = (
    Action("left", "Move", "word before", ("ArrowLeft",)),
    Action("right", "Move", "word after", ("ArrowRight",)),
    Action("up", "Move", "line above", ("ArrowUp",)),
    Action("down", "Move", "line below", ("ArrowDown",)),
    Action("characterLeft", "Move", "character before", ("Ctrl+ArrowLeft",)),
    Action("characterRight", "Move", "character after", ("Ctrl+ArrowRight",)),
    Action("nextSentence", "Move", "next sentence", ("j",)),
    Action("previousSentence", "Move", "sentence before", ("k",)),
    Action("extendLeft", "Select", "extend to the word before", ("Shift+ArrowLeft",)),
    Action("extendRight", "Select", "extend to the word after", ("Shift+ArrowRight",)),
    Action("extendUp", "Select", "extend by a line up", ("Shift+ArrowUp",)),
    Action("extendDown", "Select", "extend by a line down", ("Shift+ArrowDown",)),
    Action("extendCharacterLeft", "Select", "extend to the character before", ("Ctrl+Shift+ArrowLeft",)),
    Action("extendCharacterRight", "Select", "extend to the character after", ("Ctrl+Shift+ArrowRight",)),
    Action("sentence", "Select", "the whole sentence", ("v",)),
    Action("startEdge", "Select", "take the start", ("[", "a"), "then arrows move it"),
    Action("endEdge", "Select", "take the end", ("]", "z"), "then arrows move it"),
    Action("clear", "Select", "let go", ("Escape",), "select nothing, leave a field"),
    Action("guidelines", "Read", "guidelines and tags", ("i",)),
    Action("search", "Read", "search the prompt", ("/",)),
    Action("view", "Read", "raw or rendered", ("t",)),
    Action("uncover", "Read", "uncover sensitive texts", ("u",)),
    Action("omission", "Mark", "omission", ("o",), "the next tag says what is missing"),
    Action("take", "Mark", "next suggestion", ("y",), "again: take it"),
    Action("minor", "Mark", "minor", ("m",), "again: critical"),
    Action("major", "Mark", "major", ("M",), "again: critical"),
    Action("critique", "Mark", "write the critique", ("e",)),
    Action("correction", "Mark", "write the correction", ("r",)),
    Action("remove", "Mark", "remove the violation", ("Delete", "Backspace")),
    Action("undo", "Mark", "undo", ("Ctrl+Z",), "also the last submit, for 10 s"),
    Action("redo", "Mark", "redo", ("Ctrl+Y", "Ctrl+Shift+Z")),
    Action("nothingWrong", "Judge", "nothing wrong", ("g",)),
    Action("cannotTell", "Judge", "cannot tell", ("c",)),
    Action("skip", "Judge", "skip", ("s",)),
    Action("submit", "Judge", "submit and next", ("Ctrl+Enter",)),
    Action("help", "Judge", "list of keys", ("?",)),
)
BY_NAME = {action.name: action for action in ACTIONS}
USUAL = {key: action for action in ACTIONS for key in action.keys}
RESERVED = frozenset(key for key in USUAL if len(key) == 1)

# What a key may be called besides its own name.
NAMES = {
    **{name.casefold(): name for name in ("Escape", "Delete", "Backspace", "Insert", "ContextMenu", "Pause")},
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
    **{f"arrow{side.casefold()}": f"Arrow{side}" for side in ("Left", "Right", "Up", "Down")},
    **{side.casefold(): f"Arrow{side}" for side in ("Left", "Right", "Up", "Down")},
    "←": "ArrowLeft",
    "→": "ArrowRight",
    "↑": "ArrowUp",
    "↓": "ArrowDown",
    "esc": "Escape",
    "del": "Delete",
    "ins": "Insert",
    "return": "Enter",
    **{name.casefold(): name for name in ("Enter", "Tab", "Space", "Home", "End", "PageUp", "PageDown")},
}
CONTROLS = {"ctrl", "control", "cmd", "command", "meta", "⌘"}
_BROWSER_CTRL = {
    **dict.fromkeys("NTW", "opens and closes windows and tabs"),
    **dict.fromkeys("ACVX", "copies and pastes"),
    **dict.fromkeys("DHJLMOPQRSUFGK", "belongs to the browser's menus"),
    **dict.fromkeys("0123456789", "changes tabs"),
    **dict.fromkeys("+-=_", "zooms"),
}
_BROWSER_NAMED = {
    **dict.fromkeys(("Tab", "Shift+Tab", "Ctrl+Tab", "Ctrl+Shift+Tab"), "goes from one control to the next"),
    **dict.fromkeys(("Enter", "Shift+Enter", "Space", "Shift+Space", "Ctrl+Space"), "presses buttons"),
    **dict.fromkeys(("Home", "End", "PageUp", "PageDown"), "scrolls"),
    **dict.fromkeys(("Ctrl+PageUp", "Ctrl+PageDown", "Ctrl+F4"), "changes and closes tabs"),
    **dict.fromkeys(("F1", "F3", "F5", "F6", "F7", "F10", "F11", "F12", "Ctrl+F5"), "belongs to the browser"),
    **dict.fromkeys(("ContextMenu", "Shift+F10"), "opens the menu of what is in focus"),
}
BROWSER = {
    **_BROWSER_NAMED,
    **{f"Ctrl+{key}": does for key, does in _BROWSER_CTRL.items()},
    **{f"Ctrl+Shift+{key}": "belongs to the browser" for key in "NTWQRPBDOIJCKMV"},
    "Ctrl+Shift+Delete": "belongs to the browser",
}


class NotAKey(ValueError):
    """What was written names no key; the message says why."""


def parse(text: str) -> str:
    """Return the key that somebody wrote, as it is written here. Raises NotAKey."""
    *before, last = re.split(r"(?<=.)\+", text) if len(text) > 1 else [text]
    if last == "" and before:  # "Ctrl++": the last one is the key itself
        last = "+"
        before = [part for part in before if part]
    held = {part.casefold() for part in before}
    if held - CONTROLS - {"shift"}:
        raise NotAKey(f"“{text}” is not a key: only Ctrl and Shift can be held down with one.")
    if last.casefold() in CONTROLS | {"shift", "alt"}:
        raise NotAKey(f"“{text}” is only half of a key. Write for example Ctrl+Enter, without spaces.")
    has_control = bool(held & CONTROLS)
    return _joined(_name(last, text), has_control=has_control, has_shift="shift" in held, text=text)


def _name(last: str, text: str) -> str:
    if len(last) == 1 and last.isprintable() and not last.isspace() and last.casefold() not in NAMES:
        return last
    if name := NAMES.get(last.casefold()):
        return name
    raise NotAKey(f"“{text}” is not the name of a key. Write a character, or a name such as Delete, F2 or Ctrl+Enter.")


def _joined(name: str, *, has_control: bool, has_shift: bool, text: str) -> str:
    control = "Ctrl+" if has_control else ""
    if len(name) > 1:
        return f"{control}{'Shift+' if has_shift else ''}{name}"
    if not name.isalpha():
        if has_shift:
            raise NotAKey(f"Instead of “{text}” write the character that Shift makes of it.")
        return f"{control}{name}"
    if has_control:
        return f"Ctrl+{'Shift+' if has_shift else ''}{name.upper()}"
    return name.upper() if has_shift else name


def shown(key: str) -> str:
    """A key as people read it, which parse() reads back."""
    arrows = {"ArrowLeft": "←", "ArrowRight": "→", "ArrowUp": "↑", "ArrowDown": "↓"}
    return re.sub(r"Arrow\w+", lambda match: arrows[match[0]], key)


def in_force(chosen: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the keys of every action: what the person chose, else the usual ones."""
    return {action.name: tuple(chosen.get(action.name) or action.keys) for action in ACTIONS}


def problems(
    keys: Mapping[str, Sequence[str]], *, before: Mapping[str, Sequence[str]], taken: Mapping[str, str]
) -> dict[str, str]:
    """Return a sentence for each action whose keys cannot be what `keys` says.

    `keys` has the keys of every action, `before` those that are in force until now, `taken` what tags use: key to the
    words that name the tag. A tag that came to a key later does not stand in the way of changing something else.
    """
    found: dict[str, str] = {}
    owners: dict[str, Action] = {}
    for action in ACTIONS:
        for key in keys[action.name]:
            sentence = _problem(action, key, owners=owners, taken={} if key in before[action.name] else taken)
            if sentence:
                found.setdefault(action.name, sentence)
            owners.setdefault(key, action)
        if len(keys[action.name]) > KEYS_AT_MOST:
            found.setdefault(action.name, f"“{action.says}” can have {KEYS_AT_MOST} keys at most.")
    return found


def _problem(action: Action, key: str, *, owners: Mapping[str, Action], taken: Mapping[str, str]) -> str:
    if key in BROWSER:
        return f"“{shown(key)}” cannot be “{action.says}”: in a browser it {BROWSER[key]}."
    if (owner := owners.get(key)) and owner != action:
        return f"“{shown(key)}” cannot be both “{owner.says}” and “{action.says}”."
    if key in taken:
        return f"“{shown(key)}” cannot be “{action.says}”: it is the key of {taken[key]}."
    return ""


def listed(chosen: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return every action with the keys in force, as pages and their scripts read it."""
    keys = in_force(chosen)
    return [
        {"name": each.name, "group": each.group, "says": each.says, "more": each.more, "keys": list(keys[each.name])}
        for each in ACTIONS
    ]
