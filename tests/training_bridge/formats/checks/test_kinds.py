from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

from training_bridge.formats import checks
from training_bridge.formats.checks import declared, examples, finding, python_function

MODULES = [f"{checks.__name__}.{each.name}" for each in pkgutil.iter_modules(checks.__path__)]


def found(values: dict[str, Any], output: str, *, prompt: str = "") -> list[finding.Finding]:
    [one] = declared.read([values])
    return one.check.findings(prompt=prompt, output=output)


def spans(values: dict[str, Any], output: str, *, prompt: str = "") -> list[tuple[int | None, int | None]]:
    return [(each.start, each.end) for each in found(values, output, prompt=prompt)]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def has_place(one: finding.Finding, output: str) -> bool:
    """Whether a finding is of the whole output, or a span that stands in it and holds something."""
    if one.start is None or one.end is None:
        return one.start is one.end is None
    return 0 <= one.start < one.end <= len(output)


def test_there_is_one_example_of_each_kind() -> None:
    assert sorted(each.declaration["check"] for each in examples.EXAMPLES) == sorted(declared.KINDS)


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: str(example.declaration["check"]))
def test_examples_pass_and_violate(example: examples.Example) -> None:
    assert found(example.declaration, example.passes, prompt=example.prompt) == []
    wrong = found(example.declaration, example.violates, prompt=example.prompt)
    assert wrong
    assert all(has_place(each, example.violates) for each in wrong)


def test_plain_is_what_read_takes() -> None:
    made = declared.read([each.declaration for each in examples.EXAMPLES])
    again = [declared.plain(each) for each in made]
    assert declared.read(again) == made
    assert [{**each.declaration, "name": one.name} for each, one in zip(examples.EXAMPLES, made, strict=True)] == [
        {**given, **said} for given, said in zip((each.declaration for each in examples.EXAMPLES), again, strict=True)
    ]


def test_pattern_counts() -> None:
    forbidden = {"check": "pattern", "pattern": "x", "most": 0}
    assert spans(forbidden, "🙂é x") == [(3, 4)]
    assert spans({**forbidden, "ignore_case": True}, "X") == [(0, 1)]
    assert spans(forbidden, "X") == []
    assert spans({"check": "pattern", "pattern": "x", "least": 2}, "x") == [(None, None)]
    assert spans({"check": "pattern", "pattern": "x", "least": 1, "most": 2}, "x x x x") == [(4, 5), (6, 7)]
    assert len(found(forbidden, "x" * 5_000)) == finding.MOST


@pytest.mark.parametrize(
    ("of", "most", "beyond"),
    [("characters", 1, 1), ("words", 2, 7), ("sentences", 1, 7), ("lines", 2, 13), ("paragraphs", 1, 13)],
)
def test_length_says_what_is_beyond(of: str, most: int, beyond: int) -> None:
    output = "🙂 is.\n\tC d \n\nF."
    assert spans({"check": "length", "of": of, "most": most}, output) == [(beyond, len(output))]
    assert spans({"check": "length", "of": of, "most": 20}, output) == []


def test_keywords_are_whole_words_of_any_script() -> None:
    word = {"check": "keywords", "words": ["é"], "most": 0}
    assert spans(word, "É, née, é1, é_ (é)") == [(0, 1), (16, 17)]
    assert spans({**word, "match_case": True}, "É é") == [(2, 3)]
    assert spans({"check": "keywords", "words": ["a a"], "most": 0}, "xa a a") == [(3, 6)]
    assert spans({"check": "keywords", "words": ["#"], "most": 1}, "##a#") == [(1, 2), (3, 4)]
    assert spans({"check": "keywords", "words": ["war", "peace"], "least": 2, "together": True}, "War; peace") == []
    assert len(found({"check": "keywords", "words": ["war", "peace"], "least": 2}, "War; peace")) == 2
    assert spans({"check": "keywords", "words": ["x"], "most": 0}, "İ x") == [(2, 3)]


def test_parts_count_those_with_something_in_them() -> None:
    exact = {"check": "parts", "separator": "***", "least": 2, "most": 2}
    assert spans(exact, "***\none\n***\ntwo\n***") == []
    assert spans(exact, "one***two***three") == [(12, 17)]
    assert spans(exact, "one") == [(None, None)]
    begins = {"check": "parts", "part": 2, "begins": "However"}
    assert spans(begins, "a\n\n“however, b") == []
    assert spans(begins, "a\n\nhowevermuch") == [(3, 14)]
    assert spans(begins, "a") == [(None, None)]


def test_list_format_keeps_indentations_apart() -> None:
    numbers = {"check": "list_format", "style": "numbers", "least": 1}
    assert spans(numbers, "1. a\n  1) b\n  2) c\n2. d\n   1. e\n\n1. new") == []
    assert spans(numbers, "2. a\n3. b\n5. c") == [(0, 1), (10, 11)]
    assert spans({**numbers, "in_order": False}, "7. a\n5. b") == []
    bullets = {"check": "list_format", "style": "bullets", "least": 2, "most": 2}
    assert spans(bullets, "* a\n- b\n***\n**bold**\n-") == []
    assert spans(bullets, "* a\n* b\n  * c\nd") == [(10, 13)]


def test_edges_and_letter_case() -> None:
    both = {"check": "edges", "start": "Dear", "end": "Bye."}
    assert spans(both, " dear Ann. bye.\n") == []
    assert spans(both, "Hi. Bye") == [(0, 4), (3, 7)]
    assert spans({**both, "match_case": True}, "dear Ann. Bye.") == [(0, 4)]
    assert spans({"check": "edges", "start": '"', "end": '"'}, '"') == [(None, None)]
    assert spans(both, " ") == [(None, None)]
    assert spans({"check": "letter_case", "case": "upper"}, "ALL 3 É, Ünd") == [(9, 12)]
    assert spans({"check": "letter_case", "case": "capital_words", "least": 2}, "NATO AND so on") == []
    assert spans({"check": "letter_case", "case": "capital_words", "most": 1}, "NATO AND so on") == [(5, 8)]


def test_repeated_ngram_ignores_case_and_punctuation() -> None:
    values = {"check": "repeated_ngram", "words": 2, "most": 1}
    assert spans(values, "So it is. So, IT is") == [(10, 16), (14, 19)]
    assert spans(values, "so") == []
    assert spans({**values, "most": 2}, "a b a b a b") == [(8, 11)]
    assert spans({"check": "repeated_ngram", "words": 1, "most": 2}, "no no no") == [(6, 8)]


def test_number_in_source_compares_values() -> None:
    values = {"check": "number_in_source", "exceptions": [7, 0.5]}
    prompt = "1,234,567 in 2025, and 3.50"
    assert spans(values, "1234567.0; 2,025; 3.5; 7; .5; 0.50", prompt=prompt) == [(27, 28)]
    assert spans(values, "8 and 2024", prompt=prompt) == [(0, 1), (6, 10)]
    assert spans(values, "٣", prompt="3") == []
    assert spans({"check": "number_in_source"}, "9" * 9000, prompt="") == [(0, 9000)]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ("length", 'must be an object with the key "check"'),
        ({}, 'must be an object with the key "check"'),
        ({"check": 3}, 'must be an object with the key "check"'),
        ({"check": "max_size"}, "check 1 is 'max_size'; it may be "),
        ({"check": "length"}, "check 1 (length): it needs least or most"),
        ({"check": "length", "most": -1}, "must be 0 or more"),
        ({"check": "length", "least": 2, "most": 1}, "least not above most"),
        ({"check": "length", "least": 0}, "which every output has"),
        ({"check": "length", "of": "pages", "most": 1}, "of is 'pages'; it may be characters, words"),
        ({"check": "length", "most": True}, "most is True; expected a whole number"),
        ({"check": "length", "most": 1.5}, "most is 1.5; expected a whole number"),
        ({"check": "length", "words": 3}, "has no argument 'words'; it has least, most, of"),
        ({"check": "pattern", "most": 0}, "check 1 (pattern) lacks pattern"),
        ({"check": "pattern", "pattern": None, "most": 0}, "pattern is None; expected a text"),
        ({"check": "pattern", "pattern": "(", "most": 0}, "is no regular expression"),
        ({"check": "pattern", "pattern": "a"}, "it needs least or most"),
        ({"check": "pattern", "pattern": "a", "most": 1001}, "1,000 at the highest"),
        ({"check": "pattern", "pattern": "a", "most": 0, "ignore_case": 1}, "ignore_case is 1; expected true or false"),
        ({"check": "pattern", "pattern": "a\0", "most": 0}, "expected a text"),
        ({"check": "keywords", "words": [], "most": 0}, "words must be 1 to 50"),
        ({"check": "keywords", "words": [" a"], "most": 0}, "no white space around it"),
        ({"check": "keywords", "words": ["a", 1], "most": 0}, "words is ['a', 1]; expected a list of texts"),
        ({"check": "parts"}, "it needs least, most, different, or part and begins"),
        ({"check": "parts", "part": 1}, "part and begins are said together"),
        ({"check": "parts", "separator": "", "most": 1}, "separator must be"),
        ({"check": "edges"}, "it needs start or end"),
        ({"check": "letter_case", "case": "title"}, "case is 'title'; it may be upper, lower, capital_words"),
        ({"check": "letter_case", "case": "upper", "most": 1}, "are for capital_words"),
        ({"check": "list_format", "style": "dots", "most": 1}, "style is 'dots'; it may be bullets, numbers"),
        ({"check": "repeated_ngram", "words": 21}, "words may be 20"),
        ({"check": "repeated_ngram", "words": 0}, "words and most must be 1 or more"),
        ({"check": "number_in_source", "exceptions": ["1"]}, "exceptions is ['1']; expected a list of numbers"),
        ({"check": "number_in_source", "exceptions": [float("nan")]}, "expected a list of numbers"),
        ({"check": "python", "function": "os.system"}, "os.system is not among the functions"),
        ({"check": "length", "most": 1, "name": ""}, "name must be a text of 1 to 80 characters"),
        ({"check": "length", "most": 1, "name": 3}, "name must be a text of 1 to 80 characters"),
    ],
)
def test_read_refuses_and_says_where(values: Any, says: str) -> None:
    with pytest.raises(ValueError, match="check") as caught:
        declared.read([values])
    assert says in str(caught.value)


def test_read_names_checks_apart() -> None:
    one = {"check": "length", "most": 1}
    names = [each.name for each in declared.read([one, {**one, "name": "short"}, one, one])]
    assert names == ["length", "short", "length 2", "length 3"]
    with pytest.raises(ValueError, match="check 2: there is another check named 'short'"):
        declared.read([{**one, "name": "short"}, {**one, "name": "short"}])
    with pytest.raises(ValueError, match="at most 50"):
        declared.read([one] * 51)


def only_yes(*, prompt: str, output: str) -> list[finding.Finding]:
    return [] if output == "yes" else [finding.Finding(message=f"{prompt}? Say yes.")]


def test_python_runs_what_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{__name__}.only_yes"
    with pytest.raises(ValueError, match="is not among the functions that NEGATIVA_CHECKS allows"):
        declared.read([{"check": "python", "function": name}])
    monkeypatch.setenv(python_function.ALLOWED, f"another.one, {name},, {__name__}.missing,{__name__}.MODULES")
    assert found({"check": "python", "function": name}, "yes") == []
    assert found({"check": "python", "function": name}, "no", prompt="Well")[0].message == "Well? Say yes."
    for other, says in (("missing", "cannot be imported here"), ("MODULES", "is not a function")):
        values = {"check": "python", "function": f"{__name__}.{other}"}
        assert declared.read([values])
        with pytest.raises(ValueError, match=says):
            declared.read([values], loads=True)


def unready(*, prompt: str, output: str) -> list[finding.Finding]:
    raise KeyError(output)


def test_python_function_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{__name__}.unready"
    monkeypatch.setenv(python_function.ALLOWED, name)
    with pytest.raises(ValueError, match=r"unready failed with KeyError: 'yes'"):
        found({"check": "python", "function": name}, "yes")


def test_text_of_takes_messages_with_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert declared.text_of(messages) == "one\ntwo\n\n"
