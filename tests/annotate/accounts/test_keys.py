"""Keys as they are written, and what two of them cannot both be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotate.accounts import keys
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("m", "m"),
        ("M", "M"),
        ("shift+m", "M"),
        ("ctrl+z", "Ctrl+Z"),
        ("Cmd+Shift+z", "Ctrl+Shift+Z"),
        ("Shift+Ctrl+Left", "Ctrl+Shift+ArrowLeft"),
        ("←", "ArrowLeft"),
        ("del", "Delete"),
        ("f2", "F2"),
        ("+", "+"),
        ("Ctrl+.", "Ctrl+."),
        ("Ctrl++", "Ctrl++"),
        ("ц", "ц"),
    ],
)
def test_parse(written: str, key: str) -> None:
    assert keys.parse(written) == key


@pytest.mark.parametrize("written", ["", "ab", "Ctrl", "Shift", "Alt+x", "a+b", "Shift+1", "Hyper+k", "\x07", " "])
def test_parse_says_what_is_no_key(written: str) -> None:
    with pytest.raises(keys.NotAKey):
        keys.parse(written)


@given(st.text(max_size=12))
def test_parse_of_anything_is_a_key_that_reads_back_or_a_sentence(written: str) -> None:
    try:
        key = keys.parse(written)
    except keys.NotAKey as error:
        assert str(error)
    else:
        assert keys.parse(key) == keys.parse(keys.shown(key)) == key


def test_usual_keys_are_written_as_they_are_parsed_and_belong_to_one_action_each() -> None:
    every = [key for action in keys.ACTIONS for key in action.keys]
    assert [keys.parse(key) for key in every] == every
    assert len(every) == len(set(every))
    assert not set(every) & set(keys.BROWSER)
    assert len(keys.BY_NAME) == len(keys.ACTIONS)


def problems(chosen: dict[str, list[str]], **more: dict[str, str]) -> dict[str, str]:
    return keys.problems(keys.in_force(chosen), before=keys.in_force({}), taken=more.get("taken", {}))


def test_problems_of_the_usual_keys_are_none() -> None:
    assert problems({}) == {}


def test_problems_name_both_actions() -> None:
    assert problems({"minor": ["g"]}) == {"nothingWrong": "“g” cannot be both “minor” and “nothing wrong”."}
    assert problems({"minor": ["g"], "nothingWrong": ["m"]}) == {}


def test_problems_with_a_browser_and_with_a_tag() -> None:
    assert problems({"skip": ["Tab"]}) == {
        "skip": "“Tab” cannot be “skip”: in a browser it goes from one control to the next."
    }
    assert problems({"skip": ["1"]}, taken={"1": "“invented fact” in Answers"}) == {
        "skip": "“1” cannot be “skip”: it is the key of “invented fact” in Answers."
    }


def test_problems_with_too_many_keys() -> None:
    assert problems({"skip": ["F2", "F4", "F8", "F9", "s"]}) == {"skip": "“skip” can have 4 keys at most."}


def test_every_usual_single_key_is_documented() -> None:
    text = (ROOT / "docs" / "keys.md").read_text()
    assert [key for key in sorted(keys.RESERVED) if f"`{key}`" not in text] == []
