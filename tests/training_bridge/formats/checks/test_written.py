from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from training_bridge.formats.checks import declared, examples, written

TWO = """\
# What an answer may not do.
- check: length
  name: short
  most: 60
- check: keywords
  words: [no, 2025-01-01, 012, "1", on]
  most: 0
"""
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
SCHEMAS = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def test_read_yaml_takes_words_as_texts() -> None:
    short, words = written.read_yaml(TWO)
    assert (short.name, declared.plain(short)["most"]) == ("short", 60)
    assert declared.plain(words)["words"] == ["no", "2025-01-01", "012", "1", "on"]
    assert written.declarations("check: length\nmost: 9") == [{"check": "length", "most": 9}]


def test_round_trip_of_every_kind() -> None:
    made = declared.read([each.declaration for each in examples.EXAMPLES])
    text = written.to_yaml(made)
    assert written.read_yaml(text) == made
    assert written.to_yaml(written.read_yaml(text)) == text
    assert isinstance(yaml.safe_load(text), list)


@settings(max_examples=60, deadline=None)
@given(
    name=TEXT.filter(str.strip), start=TEXT.filter(str.strip), number=st.floats(0, allow_infinity=False), const=SCHEMAS
)
def test_round_trip_is_exact(name: str, start: str, number: float, const: Any) -> None:
    values = [
        {"check": "edges", "name": name, "start": start},
        {"check": "number_in_source", "exceptions": [number, 1]},
        {"check": "json_schema", "schema": {"const": const}},
    ]
    made = declared.read(values)
    again = written.read_yaml(written.to_yaml(made))
    assert again == made
    assert repr([declared.plain(each) for each in again]) == repr([declared.plain(each) for each in made])


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "there is no check; write one"),
        ("[]", 1, "the list is empty"),
        ("just words", 1, 'must be an object with the key "check"'),
        ("- check: length\n  most: 1\n- check: lenght\n", 3, "check 2 is 'lenght'; it may be arithmetic, "),
        ("- check: length\n  of: words\n  most: many\n", 3, "most is 'many'; expected a whole number"),
        ("- check: length\n  words: 3\n", 2, "has no argument 'words'; it has least, most, of"),
        ("- name: a\n  check: length\n  most: 1\n  of: pages", 4, "of is 'pages'; it may be characters, words"),
        ("- check: length\n  most: 1\n- check: length\n", 3, "it needs least or most"),
        ("check: keywords\nmost: 0\nwords: [true]", 3, "expected a list of texts"),
        ("check: pattern\nmost: 0\npattern: (", 3, "is no regular expression"),
        ("check: length\nmost: 1\nmost: 2", 3, "the key 'most' stands here a second time"),
        ("check: json_schema\nschema:\n  type: thing", 2, "schema at type"),
        ("check: length\n  most: 1", 2, "mapping values are not allowed here"),
        ("- check: length\n- [", 2, "expected the node content"),
        ("a: &a [*a]", 1, "anchors (&) and aliases (*) are not taken"),
        ("check: length\nmost: *b", 2, "anchors (&) and aliases (*) are not taken"),
        ("check: length\n1: 2", 2, "a key must be a text"),
        ("check: !!python/name:os.system x", 1, "could not determine a constructor"),
        ("check: edges\nstart: !!binary aGk=", 2, "start is b'hi'; expected a text"),
        ("--- 1\n--- 2", 2, "another document"),
        ("check: \0", None, "this is no YAML"),
        ("check: length\nmost: 1" + "0" * 5_000, 1, "Exceeds the limit"),
        ("[" * 50_000, 1, "nested more than 40 levels"),
        ("- " * 20_000, 1, "nested more than 40 levels"),
        (" " * 50_001, None, "50,000 are taken"),
        ("- check: length\n  most: 1\n" * 51, None, "at most 50 are taken"),
    ],
)
def test_read_yaml_says_which_line(text: str, line: int | None, says: str) -> None:
    with pytest.raises(written.BadYaml) as caught:
        written.read_yaml(text)
    assert says in str(caught.value)
    if line is not None:
        assert str(caught.value).startswith(f"line {line}: ")
        assert caught.value.line == line


def test_infinity_is_a_word() -> None:
    with pytest.raises(written.BadYaml, match=r"tolerance is '\.inf'; expected a number"):
        written.read_yaml("check: arithmetic\ntolerance: .inf")
    with pytest.raises(ValueError, match="expected a number"):
        declared.read([{"check": "arithmetic", "tolerance": math.inf}])
