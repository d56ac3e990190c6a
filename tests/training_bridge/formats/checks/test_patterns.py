from __future__ import annotations

import time

import pytest

from training_bridge.formats.checks import patterns


@pytest.mark.parametrize(
    "pattern",
    [
        "!", r"\bvery\b", "a+", ".*end", r"\d{1,3} ?(?:km|miles)", r"\d++ ?(?:km|miles) \w+", r"\w++\s++\w+",
        "[]a]+b", r"[^\]]+x", "(foo)?bar", "a|b+|c+", "(a|b|c)(d|e)", "x{1,200}", "a{,5}b", "{}a", "a++b++c++",
    ],
)  # fmt: skip
def test_compiled_takes(pattern: str) -> None:
    assert patterns.compiled(pattern, ignore_case=False)


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(", "is no regular expression"),
        ("a**", "is no regular expression"),
        ("(a+)+b", "repeats a group"),
        ("(a|b)*", "repeats a group"),
        ("(?:ab){2,}", "repeats a group"),
        ("(?:ab){30}", "repeats a group"),
        ("a+b+", "more than one open repeat"),
        ("a{2,}.*", "more than one open repeat"),
        ("(a+|b+)c+", "more than one open repeat"),
        ("((a*)b)c*", "more than one open repeat"),
        ("a?a?a?.*b", "can be matched in 8 ways"),
        ("a?" * 9 + "b", "can be matched in 512 ways"),
        ("(a?b?)(c?d?)(e?f?)(g?h?)(i|j)k", "can be matched in 512 ways"),
        ("(a|b|c)(a|b|c)(a|b|c)d+", "can be matched in 27 ways"),
        (r"(a)\1", "refers back"),
        ("(?=a)b", "of the kind"),
        ("(?i)b", "of the kind"),
        ("(?P<name>b)", "of the kind"),
        ("a*", "matches a text of nothing"),
        ("", "matches a text of nothing"),
        ("a" * 1001, "longer than 1000"),
        ("a{9999999999}", "is no regular expression"),
    ],
)
def test_compiled_refuses(pattern: str, says: str) -> None:
    with pytest.raises(ValueError, match="pattern") as caught:
        patterns.compiled(pattern, ignore_case=False)
    assert says in str(caught.value)


@pytest.mark.parametrize("pattern", ["a?a?a*b", "a{0,3}[ab]*[cd]", "(?:a|aa)(?:a|aa)[ab]*[cd]"])
def test_the_worst_stays_quadratic(pattern: str) -> None:
    """At a tenth of LONGEST these take a hundredth of what the longest text can; 2^n would never come back."""
    found = patterns.compiled(pattern, ignore_case=True)
    started = time.process_time()
    assert found.search("a" * (patterns.LONGEST // 10)) is None
    assert time.process_time() - started < 5
