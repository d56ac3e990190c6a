"""The transition table."""

import pytest

from training_bridge.runs import models, states


def test_the_table_names_every_state_of_the_model() -> None:
    assert set(states.FOLLOWERS) == set(models.Run.State.values)
    assert set().union(*states.FOLLOWERS.values()) <= set(models.Run.State.values)


def test_every_unfinished_state_can_end_and_no_ended_one_runs_again_without_being_requested() -> None:
    for state in states.UNFINISHED:
        assert states.FOLLOWERS[state] & states.ENDED
    for state in states.ENDED:
        assert states.FOLLOWERS[state] <= {states.REQUESTED}
    assert not states.FOLLOWERS[states.SUCCEEDED]


def test_check_refuses_what_is_not_in_the_table() -> None:
    states.check(state="running", to="succeeded")
    with pytest.raises(states.WrongState, match="succeeded cannot become running"):
        states.check(state="succeeded", to="running")


def test_the_states_partition() -> None:
    assert set(states.FOLLOWERS) == states.ENDED | states.UNFINISHED
    assert not states.ENDED & states.UNFINISHED
    assert frozenset({"failed", "cancelled", "lost"}) == states.RESUMABLE
