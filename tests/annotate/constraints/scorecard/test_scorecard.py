"""The four properties as figures: by hand, against the room of quality's alpha, floors, and what intervals hold."""

from __future__ import annotations

import doctest
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from annotate.constraints.scorecard import heterogeneity, independence
from annotate.constraints.scorecard import measures as scorecard
from annotate.constraints.scorecard import tally as scorecard_tally
from annotate.constraints.scorecard.measures import BAD, GOOD, TOO_FEW, UNCLEAR, Card, Figure, Mode
from annotate.constraints.scorecard.tally import CANNOT, NO, YES, Answered, Division, Tally
from annotate.quality import agreement


def figure(value: float, reach: float = 0.05) -> Figure:
    return Figure(value=value, low=value - reach, high=value + reach, count=100)


def card(**fields: object) -> Card:
    values: dict[str, object] = {"rate": figure(0.3), "tagging": Mode(), "verify": Mode(), **fields}
    return Card(**values)  # type: ignore[arg-type]


def test_what_the_docstrings_say() -> None:
    assert doctest.testmod(scorecard, optionflags=doctest.ELLIPSIS).failed == 0


def test_mode_worked_by_hand() -> None:
    """Twenty times 2 of 2, 1 of 2 and 0 of 2, and what one person alone saw, which says nothing of agreement."""
    found = scorecard.mode({(2, 2): 20, (1, 2): 20, (0, 2): 20, (1, 1): 50}, cannot=9, judgments=99, concerned=90)
    assert (found.outputs, found.seen) == (60, 40)
    figures = (found.decisive, found.decisive_all, found.cannot_tell)
    assert [each.value for each in figures] == pytest.approx([1 / 2, 2 / 3, 1 / 11])
    assert [each.count for each in figures] == [40, 60, 90]
    assert found.alpha.value == pytest.approx(1 - 119 * 20 * 2 / (2 * 60 * 60))


def test_alpha_is_what_quality_says_it_is() -> None:
    pick, nominal, patterns = np.random.default_rng(2), agreement.Nominal(), Counter[tuple[int, int]]()
    for _ in range(300):
        votes = int(pick.integers(1, 6))
        rate = pick.choice([0.05, 0.8], p=[0.7, 0.3])
        said = [bool(pick.random() < rate) for _ in range(votes)]
        nominal.add(said)
        patterns[sum(said), votes] += 1
    found = scorecard.mode(patterns)
    assert found.alpha.value == pytest.approx(nominal.alpha, abs=1e-12)
    assert found.alpha.count == nominal.units
    low, value, high = found.alpha.low, found.alpha.value, found.alpha.high
    assert low is not None and value is not None and high is not None
    assert low < value < high


def test_too_few_give_a_count_and_no_figure() -> None:
    assert scorecard.mode({(2, 2): 19}).decisive == Figure(count=19)
    assert scorecard.mode({(0, 2): 500, (2, 2): 9}).alpha == Figure(count=9)
    assert scorecard.mode({(2, 2): 500}).alpha == Figure(count=500), "undefined where everybody says yes"
    assert scorecard.mode({}) == Mode()
    assert scorecard.share(0, 0) == Figure()


def test_agreement_of_all_still_has_an_interval() -> None:
    few, many = (scorecard.mode({(0, 2): 20 * times, (2, 2): 10 * times}).alpha for times in (1, 100))
    assert (few.value, few.high) == (1.0, 1.0)
    assert few.low is not None and few.low < 0.95
    assert many.low is not None and 0.99 < many.low < 1


def test_alphas_interval_holds_the_truth() -> None:
    """Three annotators; a violation is there on a fifth of outputs, seen by each in 0.8 of cases and else in 0.05."""
    pick, held, times = np.random.default_rng(4), 0, 200
    chances = [0.2 * yes + 0.8 * no for yes, no in zip(binomial(0.8), binomial(0.05), strict=True)]
    truth = alpha_of(chances)
    for drawn in pick.multinomial(200, chances, size=times):
        found = scorecard.mode({(yes, 3): int(count) for yes, count in enumerate(drawn)}).alpha
        assert found.low is not None and found.high is not None
        held += found.low <= truth <= found.high
    assert 0.90 * times <= held <= 0.98 * times


def binomial(p: float) -> list[float]:
    return [(1 - p) ** 3, 3 * p * (1 - p) ** 2, 3 * p * p * (1 - p), p**3]


def alpha_of(chances: list[float]) -> float:
    """Alpha of infinitely many outputs with 0 to 3 of three votes: observed over expected share of unequal pairs."""
    observed = sum(chance * yes * (3 - yes) / 3 for yes, chance in enumerate(chances))
    share = sum(chance * yes / 3 for yes, chance in enumerate(chances))
    return 1 - observed / (2 * share * (1 - share))


def test_stands_needs_the_whole_interval_on_one_side() -> None:
    wanted = [(0.9, GOOD), (0.8, UNCLEAR), (0.7, BAD)]
    assert [(each, figure(each).stands(at_least=0.8)) for each, _ in wanted] == wanted
    assert Figure(count=3).stands(at_least=0.8) == TOO_FEW


def test_verdicts_without_anything_are_too_few() -> None:
    assert set(card(rate=Figure(count=5)).verdicts().values()) == {TOO_FEW}


def test_verdicts_a_bad_mode_is_not_made_good_by_the_other() -> None:
    good, bad = Mode(decisive=figure(0.95), alpha=figure(0.9)), Mode(decisive=figure(0.5), alpha=figure(0.2))
    both = card(tagging=good, verify=bad).verdicts()
    assert (both["discrete"], both["verifiable"]) == (BAD, BAD)
    one = card(tagging=good).verdicts()
    assert (one["discrete"], one["verifiable"], one["independent"]) == (GOOD, GOOD, GOOD)
    assert card(tagging=good, check_precision=figure(0.5)).verdicts()["verifiable"] == BAD


def partnered(*, phi_high: float, implies: bool) -> independence.Partner:
    share = (0.5, 0.4, 0.6, 50)
    return independence.Partner(
        other=2,
        together=9,
        phi=0.4,
        phi_low=0.3,
        phi_high=phi_high,
        given_this=share,
        given_other=share,
        adjusted=0.001,
        implies=implies,
        is_implied=False,
    )


def test_verdicts_independent_and_stable() -> None:
    partner, implying = partnered(phi_high=0.6, implies=False), partnered(phi_high=0.45, implies=True)
    assert card(partners=[partner]).verdicts()["independent"] == UNCLEAR
    assert card(partners=[implying]).verdicts()["independent"] == BAD
    for adjusted, wanted in ((0.01, BAD), (0.2, GOOD)):
        made = heterogeneity.Test(
            p=0.01, adjusted=adjusted, statistic=9.0, i_squared=0.5, contexts=3, outputs=90, method="chi-square"
        )
        assert (
            card(dimensions=[scorecard.Dimension(name="model", contexts=[], rate=made)]).verdicts()["stable"] == wanted
        )
    assert card(retest=figure(0.5)).verdicts()["stable"] == BAD


def tallied() -> Tally:
    """Constraint 1 is on 0.4 of model a's outputs and on none of b's; 2 is on a fifth of both; all by both people."""
    tally = Tally(divisions=[Division(name="model", labels=["a", "b"])])
    for number in range(200):
        part = number % 2
        seen = [(1, 2)] * (part == 0 and number % 10 < 4) + [(2, 1 if number % 50 == 5 else 2)] * (number % 5 == 0)
        tally.add(votes=2, cannot=1 if number % 5 == 0 else 0, seen=seen, parts=[part])
    return tally


def cards(tally: Tally, *constraints: int) -> dict[int, Card]:
    return scorecard_tally.cards(tally, constraints=constraints, asked=scorecard_tally.Asked(), checks={})


def test_cards_tell_constraints_apart_by_context() -> None:
    found = cards(tallied(), 1, 2, 3)
    assert (found[1].rate.value, found[1].rate.count) == (0.2, 200)
    assert [each.rate.value for each in found[1].dimensions[0].contexts] == [0.4, 0.0]
    assert found[1].verdicts()["stable"] == BAD
    assert found[2].verdicts()["stable"] == GOOD
    assert found[3].rate.value == 0 and found[3].verdicts()["stable"] == TOO_FEW
    first, second = found[1].dimensions[0].rate, found[2].dimensions[0].rate
    assert first is not None and second is not None
    assert first.adjusted >= first.p
    assert second.adjusted == pytest.approx(second.p)  # the largest of all


def test_cards_count_votes_and_who_could_not_tell() -> None:
    found = cards(tallied(), 1, 2)
    assert (found[2].tagging.outputs, found[2].tagging.seen) == (200, 40)
    assert found[2].tagging.decisive.value == pytest.approx(36 / 40)
    assert found[2].tagging.cannot_tell.value == pytest.approx(1 / 3)
    assert (found[1].tagging.seen, found[1].tagging.decisive.value) == (40, 1.0)
    assert found[2].rate.value == pytest.approx(36 / 200)


def test_a_tie_and_an_undecided_output_violate_nothing() -> None:
    tally = Tally()
    for _ in range(30):
        tally.add(votes=2, seen=[(1, 1)])
        tally.add(votes=0, cannot=2)
    [found] = cards(tally, 1).values()
    assert (found.rate.value, found.rate.count) == (0.0, 30)


def test_verified_one_vote_a_person_and_retests() -> None:
    """Ada, asked again, changes her mind, Ben could not tell at first and says no, Cy says yes twice."""
    said = [("ada", 1, YES), ("ada", 2, NO), ("ben", 1, CANNOT), ("ben", 2, NO), ("cy", 1, YES), ("cy", 2, YES)]
    people = {"ada": 1, "ben": 2, "cy": 3}
    asked = scorecard_tally.verified(Answered(7, 1, people[who], round_, answer) for who, round_, answer in said)
    [(constraint, found)] = asked.blind.items()
    assert not asked.assisted
    assert constraint == 7
    assert found.patterns == {(1, 3): 1}
    assert (found.outputs, found.answers, found.cannot) == (1, 6, 1)
    assert (found.repeats, found.same) == (2, 1)


def test_verified_blind_and_assisted_apart() -> None:
    """Ada is asked blind, then assisted: two votes apart and no re-test, for the check told her what to say."""
    asked = scorecard_tally.verified([Answered(7, 1, 1, 1, NO), Answered(7, 1, 1, 2, YES, is_assisted=True)])
    assert asked.blind[7].patterns == {(0, 1): 1}
    assert asked.assisted[7].patterns == {(1, 1): 1}
    assert asked.blind[7].repeats == asked.assisted[7].repeats == 0


def test_no_verdict_rests_on_assisted_work() -> None:
    """Everybody agrees with the check where they saw it, by suggestion, and splits on half where they did not."""
    blind, assisted = Tally(), Tally()
    for number in range(60):
        blind.add(votes=2, seen=[(1, 1 + number % 2)] if number < 30 else [])
        assisted.add(votes=2, seen=[(1, 2)] if number < 30 else [])
    both = scorecard_tally.cards(blind, constraints=[1], asked=scorecard_tally.Asked(), checks={}, assisted=assisted)[1]
    alone = scorecard_tally.cards(blind, constraints=[1], asked=scorecard_tally.Asked(), checks={})[1]
    assert both.tagging_assisted.alpha.value == 1.0
    assert both.tagging_assisted.alpha.count == 60
    assert (alone.tagging.alpha.value or 1) < 0.7
    assert replace(both, tagging_assisted=scorecard.Mode()) == alone
    assert both.verdicts() == alone.verdicts()


def test_check_figures_come_from_plain_counts() -> None:
    check = scorecard.Check(precision=(45, 50), recall=(8, 10))
    found = scorecard_tally.cards(tallied(), constraints=[1], asked=scorecard_tally.Asked(), checks={1: check})[1]
    assert found.check_precision is not None and found.check_precision.value == 0.9
    assert found.check_recall == Figure(count=10)
