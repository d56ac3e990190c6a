"""Outputs made to hurt: every kind comes back, and its work grows with the text and no faster.

No clock is read. Work in Python is counted, line by line. Work in C (regular expressions, above all) cannot be: there
the longest text is one thing over and over, which takes a second, and takes what looks at everything twice past the
time limit of every test. `python -m tests.bench hostile` times all texts, at three lengths.
"""

from __future__ import annotations

import pytest

from tests import counting
from tests.training_bridge.formats.checks import hostile
from training_bridge.formats.checks import declared, finding

SMALL, MIDDLE = 1_000, 20_000


def comes_back(output: str) -> None:
    for named in hostile.CHECKS:
        found = hostile.findings(named, output)
        assert len(found) <= finding.MOST
        assert all(len(each.message) < 1_000 for each in found), named.name
        assert all(each.start is None or 0 <= each.start < (each.end or 0) <= len(output) for each in found), named.name


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_every_kind_comes_back(text: str) -> None:
    comes_back(hostile.TEXTS[text](MIDDLE))


@pytest.mark.parametrize("text", hostile.RUNS_OF_ONE)
def test_every_kind_comes_back_from_a_million_times_the_same(text: str) -> None:
    comes_back(hostile.TEXTS[text](hostile.LONG))


@pytest.mark.parametrize("text", hostile.TEXTS)
def test_four_times_the_text_is_four_times_the_work(text: str) -> None:
    for named in hostile.CHECKS:
        counting.assert_in_proportion(
            lambda size, named=named: hostile.findings(named, hostile.TEXTS[text](size)),  # type: ignore[misc]
            small=SMALL,
            about=named.name,
        )


@pytest.mark.parametrize("output", ["[" * 100_000 + "]" * 100_000, '{"age":' * 100_000 + "1" + "}" * 100_000], ids="[{")
def test_json_nested_a_hundred_thousand_deep_is_refused(output: str) -> None:
    [json_schema] = declared.read([{"check": "json_schema"}])
    [found] = json_schema.check.findings(prompt="", output=output)
    assert "nested more than 50 levels" in found.message


def test_zero_width_and_turned_text_hides_no_place() -> None:
    """Spans count every code point, seen or not."""
    [word] = declared.read([{"check": "keywords", "words": ["rock"], "most": 0}])
    [found] = word.check.findings(prompt="", output="\u202e\u200b rock\u200b!")
    assert (found.start, found.end) == (3, 7)
