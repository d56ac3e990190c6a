"""Which constraints are violated together: by hand, against scipy, implications, and bounded memory."""

from __future__ import annotations

import doctest
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from annotate.constraints.scorecard import independence
from annotate.constraints.scorecard.independence import Partner, Together


def counted(*, both: int, only_a: int, only_b: int, neither: int) -> Together:
    together = Together()
    for found, times in (([1, 2], both), ([1], only_a), ([2], only_b), ([], neither)):
        for _ in range(times):
            together.add(found)
    return together


def pair(together: Together, constraints: int = 2) -> tuple[Partner, Partner]:
    found = independence.partners(together, constraints=constraints)
    return found[1][0], found[2][0]


def test_what_the_docstrings_say() -> None:
    assert doctest.testmod(independence).failed == 0


def test_a_pair_worked_by_hand() -> None:
    """phi = (16 * 200 - 20 * 40) / sqrt(20 * 180 * 40 * 160) = 2400 / 4800."""
    one, other = pair(counted(both=16, only_a=4, only_b=24, neither=156))
    assert (one.other, one.together) == (2, 16)
    assert one.phi == pytest.approx(0.5)
    assert one.given_this[0] == pytest.approx(0.8) and one.given_this[3] == 20
    assert one.given_other[0] == pytest.approx(0.4) and one.given_other[3] == 40
    assert (other.given_this, other.given_other) == (one.given_other, one.given_this)
    assert one.phi_low < 0.5 < one.phi_high
    assert one.adjusted == pytest.approx(stats.fisher_exact([[16, 4], [24, 156]], alternative="greater").pvalue)
    assert not (one.implies or one.is_implied or other.implies)


def test_what_always_comes_with_another_is_implied_one_way() -> None:
    one, other = pair(counted(both=60, only_a=0, only_b=140, neither=800))
    assert (one.implies, one.is_implied) == (True, False)
    assert (other.implies, other.is_implied) == (False, True)


def test_a_constraint_that_is_everywhere_is_implied_by_nothing() -> None:
    """P(2 | 1) is 0.97 and so is P(2): they meet as often as chance has it."""
    one, _ = pair(counted(both=970, only_a=30, only_b=970, neither=30))
    assert one.given_this[1] >= independence.IMPLIED
    assert not one.implies


def test_too_little_is_not_a_pair() -> None:
    assert independence.partners(counted(both=4, only_a=30, only_b=30, neither=99), constraints=2) == {}
    assert independence.partners(counted(both=19, only_a=0, only_b=30, neither=99), constraints=2) == {}
    assert independence.partners(Together(), constraints=0) == {}


def test_p_values_are_adjusted_for_every_pair_there_could_be() -> None:
    one, _ = pair(counted(both=16, only_a=4, only_b=24, neither=156), constraints=100)
    alone, _ = pair(counted(both=16, only_a=4, only_b=24, neither=156))
    assert one.adjusted == pytest.approx(alone.adjusted * 100 * 99 / 2)


def test_tails_equal_scipy() -> None:
    pick = np.random.default_rng(3)
    a, b = pick.integers(1, 400, size=200), pick.integers(1, 400, size=200)
    both = np.minimum(pick.hypergeometric(a, 1000 - a, b) + pick.integers(0, 30, size=200), np.minimum(a, b))
    given = independence.tails(both, a, b, 1000)
    is_beyond = both * 1000 > a * b
    assert given[is_beyond] == pytest.approx(stats.hypergeom.sf(both - 1, 1000, a, b)[is_beyond], rel=1e-7)
    assert (given[~is_beyond] == 1).all()


def test_phis_interval_holds_the_truth_where_both_are_rare() -> None:
    """Of 20,000 outputs one constraint is on a hundredth, the other on a fiftieth."""
    pick, held = np.random.default_rng(11), 0
    q_a, q_b, given = 0.01, 0.02, 0.6
    truth = (given - q_b) * np.sqrt(q_a / ((1 - q_a) * q_b * (1 - q_b)))
    cells = [q_a * given, q_a * (1 - given), q_b - q_a * given]
    for both, only_a, only_b, neither in pick.multinomial(20_000, [*cells, 1 - sum(cells)], size=400):
        a, b = int(both + only_a), int(both + only_b)
        made = independence._partner(2, int(both), a, b, int(both + only_a + only_b + neither), 1.0)
        held += made.phi_low <= truth <= made.phi_high
    assert held >= 0.9 * 400


def test_the_strongest_come_first_and_implications_are_never_left_out() -> None:
    """Three are on 0.8 of where 0 is and on a tenth of the rest; 9 is rare, and only ever with 0."""
    together = Together()
    for number in range(2000):
        is_zero = number % 2 == 0
        others = [1, 2, 3] if (number % 20 < 16 and is_zero) or number % 20 == 1 else []
        together.add([*others, *([0] if is_zero else []), *([9] if is_zero and number < 120 else [])])
    mine = independence.partners(together, constraints=10, at_most=3)[0]
    assert len(mine) == 3
    assert [each.phi for each in mine] == sorted((each.phi for each in mine), reverse=True)
    assert [each.other for each in mine if each.is_implied] == [9]


def test_memory_holds_pairs_not_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(independence, "BUFFER", 1000)
    pick = np.random.default_rng(5)
    together = Together()

    def add(times: int) -> None:
        for found in pick.integers(0, 30, size=(times, 3)):
            together.add(found.tolist())

    add(2_000)
    tracemalloc.start()
    add(10_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert together.outputs == 12_000
    pairs, counts = together.pairs()
    assert len(pairs) == 30 * 29 // 2 and counts.sum() > 10_000
    assert peak < 2_000_000
