from __future__ import annotations

import gzip
import json

import pytest

from tests.architecture import places
from tests.training_bridge.formats.checks.asking import found, marked, messages

SUMS = {"check": "arithmetic"}
GSM8K = places.ROOT.parent / "shared" / "data" / "text" / "gsm8k_test.txt.gz"


@pytest.mark.parametrize(
    "output",
    [
        "5 + 3 = 8", "(5 + 3 = 8)", "-3 - -4 = 1", "5 − 8 = −3", "2 * (3 + 4) = 14", "3 x 4 = 12",
        "3 pens x (1/3) = 1", "12 ÷ 4 = 3", ".20 * 50 = $10", "4 cats ate 2 tins = 4 * 2 = 8 tins",
        "$1,200 / 3 = $400", r"$5 \times 3 = 15$", "8 = 5 + 3", "2 + 3 = 5 * 4 = 20", "1/2 + 1/3 = 5/6",
        "10 / 3 = 3.33", "10 / 3 ≈ 3", "9,990,000 + 1 ≈ 10,000,000", "0.1 + 0.2 = 0.3",
        "20% of 50 = 10", "5 / 20 × 100 = 25%", "5 / 20 = 25%", "10% + 20% = 30%",
        "48/2 = <<48/2=24>>24 clips", "5 apples + 3 apples = 8 apples", "2 hours * 60 = 120 minutes",
    ],
)  # fmt: skip
def test_sums_that_hold(output: str) -> None:
    assert found(SUMS, output) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("So 5 + 3 = 9.", "5 + 3 is 8, not 9."),
        ("**5 + 3 = 9**", "5 + 3 is 8, not 9."),
        ("8 = 5 + 4", "5 + 4 is 9, not 8."),
        ("10 / 3 = 3", "10 / 3 is 3.3333, not 3."),
        ("10 / 3 = 3.34", "10 / 3 is 3.3333, not 3.34."),
        ("2 + 3 = 5 * 4", "2 + 3 is 5, not 5 * 4."),
        ("2 + 3 = 5 * 4 = 21", "5 * 4 is 20, not 21."),
        ("1,000 * 3 = 300", "1,000 * 3 is 3000, not 300."),
        ("20% of 50 = 11", "20% of 50 is 10, not 11."),
        ("Total = 3 + 4 = 8 pens", "3 + 4 is 7, not 8 pens."),
        ("3 x 4 = 12 and 2 x 3 = 7", "2 x 3 is 6, not 7."),
    ],
)
def test_sums_that_do_not(output: str, said: str) -> None:
    assert messages(SUMS, output) == [said]


@pytest.mark.parametrize(
    "output",
    [
        "3x4 = 13", "x + 3 = 7", "x - 5 + 3 = 8", "x*6 + 9 = 87", "250 = (5/2)x", "¾ x 3/3 = 9/12",
        "2x + 3 = 7", "f(3 + 4) = 9", "2^3 + 1 = 9", "5 ** 2 + 1 = 26", "5! = 120", "1,5 + 2 = 3,5",
        "1 km + 500 m = 1500 m", "1 meter + 50 inches = 150 inches",
        "50 + 10% = 55", "1/0 = 5", "- 5 + 3 = 8", "1. 5 + 3 = 8", "5 == 5 + 1", "a = 2",
        "3 + 4 = 8 + y", "10 > 3 + 4 => 8", "3 + 4 = 2020-05-17", "1.2.3 + 1 = 4", "5 + 3 =", "= 5 + 3",
        "((((((((((((3 + 4))))))))))))  = 8", "1" * 99 + " + 1 = 2",
    ],
)  # fmt: skip
def test_what_cannot_be_read_for_sure_is_let_be(output: str) -> None:
    assert found(SUMS, output) == []


def test_spans_and_tolerance() -> None:
    assert marked(SUMS, "🙂 so 2 + 2 = 5, or 3 + 3 = 7.") == ["2 + 2 = 5", "3 + 3 = 7"]
    assert found({**SUMS, "tolerance": 0.5}, "10 / 3 = 3") == []
    with pytest.raises(ValueError, match="tolerance must be 0 or more"):
        found({**SUMS, "tolerance": -1}, "")


@pytest.mark.skipif(not GSM8K.exists(), reason="no shared data: GSM8K is not here")
def test_worked_solutions_of_gsm8k_raise_no_false_alarm() -> None:
    """Solutions by people: of 4,654 lines with an equals sign 3 are found wrong, all of them rightly."""
    with gzip.open(GSM8K, "rt") as file:
        lines = [line for line in file.read().splitlines() if "=" in line]
    wrong = [line for line in lines if found(SUMS, line)]
    assert len(lines) > 1_000
    assert len(wrong) <= 3, json.dumps(wrong[:20], indent=1)
