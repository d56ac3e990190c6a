from __future__ import annotations

import doctest
import importlib
import pkgutil
from typing import Any

import pytest

from training_bridge.formats import checks
from training_bridge.formats.checks import declared, finding, patterns, python_function

MODULES = [f"{checks.__name__}.{each.name}" for each in pkgutil.iter_modules(checks.__path__)]


def found(values: dict[str, Any], output: str, *, prompt: str = "") -> list[finding.Finding]:
    [one] = declared.read([values])
    return one.check.findings(prompt=prompt, output=output)


def spans(values: dict[str, Any], output: str, *, prompt: str = "") -> list[tuple[int | None, int | None]]:
    return [(each.start, each.end) for each in found(values, output, prompt=prompt)]


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_forbidden_pattern_counts_code_points() -> None:
    assert spans({"check": "forbidden_pattern", "pattern": "x"}, "🙂é x") == [(3, 4)]
    assert spans({"check": "forbidden_pattern", "pattern": "X", "ignore_case": True}, "x") == [(0, 1)]
    assert spans({"check": "forbidden_pattern", "pattern": "X"}, "x") == []


@pytest.mark.parametrize("kind", ["forbidden_pattern", "required_pattern"])
def test_patterns_never_pass_a_text_unread(kind: str) -> None:
    values = {"check": kind, "pattern": "a"}
    assert "not searched" in found(values, "b" * (patterns.LONGEST + 1))[0].message
    assert "not searched" in found(values, "a" * (patterns.LONGEST + 1))[0].message
    assert len(found({"check": "required_pattern", "pattern": "a"}, "a" * patterns.LONGEST)) == 0


def test_max_length_says_what_is_beyond() -> None:
    assert spans({"check": "max_length", "characters": 3}, "🙂🙂🙂🙂") == [(3, 4)]
    assert spans({"check": "max_length", "words": 1, "characters": 4}, "one two") == [(4, 7), (4, 7)]
    assert spans({"check": "max_length", "words": 2}, "  one two \n") == []


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
        ("max_length", 'must be an object with the key "check"'),
        ({}, 'must be an object with the key "check"'),
        ({"check": 3}, 'must be an object with the key "check"'),
        ({"check": "max_size"}, "check 1 is 'max_size'; it may be forbidden_pattern, max_length"),
        ({"check": "max_length"}, "check 1 (max_length): it needs characters or words"),
        ({"check": "max_length", "words": 0}, "of 1 or more"),
        ({"check": "max_length", "words": True}, "words is True; expected int | None"),
        ({"check": "max_length", "words": 1.5}, "words is 1.5; expected int | None"),
        ({"check": "max_length", "lines": 3}, "has no argument 'lines'; it has characters, words"),
        ({"check": "forbidden_pattern"}, "check 1 (forbidden_pattern) lacks pattern"),
        ({"check": "forbidden_pattern", "pattern": None}, "pattern is None; expected str"),
        ({"check": "forbidden_pattern", "pattern": "("}, "is no regular expression"),
        ({"check": "forbidden_pattern", "pattern": "a", "ignore_case": 1}, "ignore_case is 1; expected bool"),
        ({"check": "required_pattern", "pattern": "(a+)+"}, "repeats a group"),
        ({"check": "repeated_ngram", "words": 0}, "words and most must be 1 or more"),
        ({"check": "number_in_source", "exceptions": ["1"]}, "exceptions is ['1']; expected list[float] | None"),
        ({"check": "number_in_source", "exceptions": [float("nan")]}, "expected list[float] | None"),
        ({"check": "python", "function": "os.system"}, "os.system is not among the functions"),
        ({"check": "max_length", "words": 1, "name": ""}, "name must be a text of 1 to 80 characters"),
        ({"check": "max_length", "words": 1, "name": 3}, "name must be a text of 1 to 80 characters"),
    ],
)
def test_read_refuses_and_says_where(values: Any, says: str) -> None:
    with pytest.raises(ValueError, match="check") as caught:
        declared.read([values])
    assert says in str(caught.value)


def test_read_names_checks_apart() -> None:
    one = {"check": "max_length", "words": 1}
    names = [each.name for each in declared.read([one, {**one, "name": "short"}, one, one])]
    assert names == ["max_length", "short", "max_length 2", "max_length 3"]
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


def test_text_of_takes_messages_with_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    messages: list[dict[str, Any]] = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert declared.text_of(messages) == "one\ntwo\n\n"
