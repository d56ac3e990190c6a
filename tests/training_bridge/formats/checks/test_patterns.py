from __future__ import annotations

import pytest

from training_bridge.formats.checks import pattern, patterns

LONG = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "!", r"\p{Greek}", r"\bvery\b", "a+b+c+", r"(\d+) ?(?:km|miles)", "(a+)+b", "(?:ab){30}",
        r"(?i)b", r"(?P<name>b)", "(?m)^x$", r"[^\[\]]+", "a{,5}b",
    ],
)  # fmt: skip
def test_compiled_takes(text: str) -> None:
    assert patterns.compiled(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(", "is no regular expression of RE2's: missing )"),
        ("a**", "bad repetition operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("(?=a)b", "invalid perl operator"),
        ("a++", "bad repetition operator"),
        (r"\p{L}{900}", "pattern too large"),
        ("a*", "matches a text of nothing"),
        ("", "matches a text of nothing"),
        ("a" * 1001, "longer than 1000"),
        ("\ud800", "is no regular expression"),
    ],
)
def test_compiled_refuses(text: str, says: str) -> None:
    with pytest.raises(ValueError, match="pattern") as caught:
        patterns.compiled(text)
    assert says in str(caught.value)


def spans(expression: str, text: str) -> list[tuple[int, int]]:
    return list(patterns.spans(patterns.compiled(expression), text))


def test_spans_are_code_points_and_never_empty() -> None:
    assert spans("é|x", "🙂é x") == [(1, 2), (3, 4)]
    assert spans("b", "\ud800b") == [(1, 2)]


@pytest.mark.parametrize("expression", ["(a+)+b", "(a|a)+b", "(a|aa)+b", "(.*)*=", "a?" * 50 + "a" * 50 + "b"])
def test_what_runs_away_elsewhere_comes_back(expression: str) -> None:
    """Python's own `re` needs longer for these than there is."""
    assert spans(expression, "a" * LONG) == []


def test_a_pattern_that_is_too_large_for_the_text_is_not_begun() -> None:
    large = patterns.compiled("(a|b)*a(a|b){999}(a|b){99}c")
    assert large.programsize * LONG > patterns.STEPS
    with pytest.raises(patterns.TooMuch, match="1,000,000 characters are too many"):
        next(patterns.spans(large, "a" * LONG))
    assert list(patterns.spans(large, "ab" * 100)) == []


def test_looking_through_the_rest_for_every_match_is_stopped_and_found_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.02)
    check = pattern.Pattern(pattern="a[^c]*c|a", least=1000)
    [finding] = check.findings(prompt="", output="a" * LONG)
    assert "it took more than 0.02 s" in finding.message
