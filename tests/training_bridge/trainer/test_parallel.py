"""What one of several processes does; that they train as one does is a claim of the conformance suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.training_bridge.trainer import toys
from training_bridge.formats import rundir
from training_bridge.trainer import boundary

Make = Callable[..., rundir.RunDir]
Launch = Callable[[rundir.RunDir], rundir.Status]

PROMPTS = [{"prompt": "2 + 2 = "}, {"prompt": "3 + 4 = "}]


@pytest.fixture
def rank(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def take(number: int) -> None:
        monkeypatch.setenv("RANK", str(number))
        monkeypatch.setenv("WORLD_SIZE", "2")

    return take


def test_the_first_process_samples_without_waiting_for_the_others(
    make: Make, launch: Launch, rank: Callable[[int], None]
) -> None:
    place = make(method="sample", prompts=PROMPTS, sampling={"max_new_tokens": 4})
    rank(0)
    assert launch(place).state == "succeeded"
    assert place.outputs.exists()


@pytest.mark.usefixtures("launch")
def test_the_other_processes_leave_sampling_alone(make: Make, rank: Callable[[int], None]) -> None:
    place = make(method="sample", prompts=PROMPTS, sampling={"max_new_tokens": 4})
    rank(1)
    assert boundary.run(folder=place.path) == 0
    assert not place.outputs.exists()
    assert place.read_status() is None


def test_a_service_that_is_not_installed_is_refused(
    make: Make, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEGATIVA_REPORT_TO", "nowhere")
    place = make(method="pretrain", rows=toys.sums(8), max_steps=1, batch_size=4)
    status = launch(place)
    assert (status.state, "nowhere" in status.reason) == ("failed", True)
    assert "NEGATIVA_REPORT_TO" in status.reason
