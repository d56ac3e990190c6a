"""What a person prefers of the pages, as plain values: what may be stored, and what a change makes of it. No database.

Stored is only what differs from the usual: {"keys": {action: [key, ...]}, "single_keys": bool, "view": "rendered"}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from annotate.accounts import keys
from annotate.errors import RuleError

VIEWS = ("rendered", "raw")


class PreferencesRefused(RuleError):
    """A change cannot be; `problems` has a sentence for each action whose keys are the reason."""

    def __init__(self, message: str, *, field: str = "", problems: Mapping[str, str] | None = None) -> None:
        super().__init__(message, field=field)
        self.problems = dict(problems or {})


def merged(stored: Mapping[str, Any], changes: Mapping[str, Any], *, taken: Mapping[str, str]) -> dict[str, Any]:
    """Return `stored` with the changes in it. Raises PreferencesRefused.

    `keys` names the actions that change with a list of keys each, an empty one for the usual keys; null resets them
    all. `single_keys` is a boolean, `view` one of VIEWS.
    """
    made = dict(stored)
    for name, value in changes.items():
        match name, value:
            case "keys", None:
                made.pop("keys", None)
            case "keys", dict():
                made["keys"] = _merged_keys(stored.get("keys") or {}, value, taken=taken)
            case "single_keys", bool():
                made["single_keys"] = value
            case "view", str() if value in VIEWS:
                made["view"] = value
            case _:
                raise PreferencesRefused(f"“{name}” cannot be set to {value!r:.60}.", field=name)
    return {name: value for name, value in made.items() if name != "keys" or value}


def _merged_keys(
    stored: Mapping[str, Any], changes: Mapping[str, Any], *, taken: Mapping[str, str]
) -> dict[str, list[str]]:
    found: dict[str, str] = {}
    made = {name: list(each) for name, each in stored.items() if name in keys.BY_NAME}
    for name, written in changes.items():
        if name not in keys.BY_NAME:
            raise PreferencesRefused(f"There is no action “{name}”.", field="keys")
        try:
            made[name] = _parsed(written)
        except keys.NotAKey as error:
            found[name] = str(error)
    before = keys.in_force(stored)
    found |= keys.problems(keys.in_force(made), before=before, taken=taken) if not found else {}
    if found:
        raise PreferencesRefused(" ".join(dict.fromkeys(found.values())), field="keys", problems=found)
    return {name: each for name, each in made.items() if each and tuple(each) != keys.BY_NAME[name].keys}


def _parsed(written: object) -> list[str]:
    if not isinstance(written, list) or not all(isinstance(key, str) for key in written):
        raise PreferencesRefused("The keys of an action are a list of texts.", field="keys")
    return list(dict.fromkeys(keys.parse(key) for key in written))
