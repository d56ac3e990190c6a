from __future__ import annotations

import pytest

from annotate.constraints.checks import precision
from annotate.constraints.checks.precision import Counts


@pytest.mark.parametrize(
    ("part", "of", "low", "high"),
    [(30, 30, 0.886, 1.0), (29, 30, 0.833, 0.994), (28, 30, 0.787, 0.982), (0, 10, 0.0, 0.278), (5, 10, 0.237, 0.763)],
)
def test_interval_is_wilsons(part: int, of: int, low: float, high: float) -> None:
    share = precision.Share(part=part, of=of)
    assert (round(share.low, 3), round(share.high, 3)) == (low, high)


def test_interval_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for part in range(18):
        known = stats.binomtest(part, 17).proportion_ci(method="wilson")
        share = precision.Share(part=part, of=17)
        assert (share.low, share.high) == pytest.approx((known.low, known.high), abs=1e-6)


def test_share_of_nothing_says_nothing() -> None:
    share = Counts(miss=3, clear=4).precision
    assert (share.value, share.low, share.high) == (None, 0.0, 1.0)


def test_precision_looks_at_what_was_marked_and_recall_at_what_people_say() -> None:
    counts = Counts(hit=6, alarm=2, miss=4, clear=88)
    assert counts.precision.value == 0.75
    assert counts.recall.value == 0.6
    assert counts.decided == 100


def test_lacking_wants_enough_and_then_a_bound() -> None:
    assert "29 of the outputs" in precision.lacking(counts=Counts(hit=29), precision=0.8, adjudicated=30)
    assert "0.787" in precision.lacking(counts=Counts(hit=28, alarm=2), precision=0.8, adjudicated=30)
    assert precision.lacking(counts=Counts(hit=29, alarm=1), precision=0.8, adjudicated=30) == ""


def test_lacking_does_not_count_what_the_check_let_pass() -> None:
    assert precision.lacking(counts=Counts(hit=9, clear=1_000), precision=0.5, adjudicated=10) != ""
