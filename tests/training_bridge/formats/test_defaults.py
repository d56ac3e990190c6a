"""What a run of each method starts from: for every method, fit for its spec, smaller for larger models."""

import doctest

import pytest

from training_bridge.formats import defaults, spec

TRAINED = (*spec.ROWS, *spec.ON_POLICY)


def test_the_numbers_in_the_docstrings_hold() -> None:
    tried = doctest.testmod(defaults)
    assert tried.attempted >= 3
    assert tried.failed == 0


def test_every_method_that_is_trained_on_judgments_has_a_start() -> None:
    assert set(defaults.STARTS) == set(TRAINED)
    assert defaults.of("pretrain", parameters=8e5) == defaults.of("sample", parameters=8e5) == {}


@pytest.mark.parametrize("method", TRAINED)
@pytest.mark.parametrize("has_accepted", [True, False])
def test_a_spec_takes_them(method: str, has_accepted: bool) -> None:
    found = defaults.of(method, parameters=5e8, has_accepted=has_accepted)
    taken = spec.hyperparameters(found)
    assert all(getattr(taken, name) == value for name, value in found.items())


@pytest.mark.parametrize("method", TRAINED)
def test_a_larger_model_never_gets_a_larger_rate(method: str) -> None:
    rates = [defaults.of(method, parameters=size)["learning_rate"] for size in (1e4, 8e5, 1e8, 1.5e9, 7e9, 7e10)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == rates[1] == defaults.STARTS[method].small
    assert rates[-1] == rates[-2] == defaults.STARTS[method].large


def test_a_guard_needs_answers_to_watch() -> None:
    assert defaults.of("kto", parameters=8e5)["stop_below"] == defaults.STOP_BELOW
    assert "stop_below" not in defaults.of("kto", parameters=8e5, has_accepted=False)
    assert defaults.of("kto", parameters=8e5, has_accepted=False)["learning_rate"] == 5e-5
