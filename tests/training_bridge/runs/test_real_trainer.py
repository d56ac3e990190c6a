"""The whole path with the real trainer on a random two-layer model: killed, resumed, harvested."""

import os
import signal
from pathlib import Path

import pytest

from annotate.intake.models import Output
from tests.training_bridge.runs import rows
from tests.training_bridge.runs.conftest import pid_in, wait_until
from tests.training_bridge.runs.rows import NOW
from training_bridge.runs import actions, folder, models

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.timeout(600)]


def test_kill_9_of_the_trainer_then_resume_ends_in_a_checkpoint_and_its_outputs(
    tmp_path: Path, runs_folder: Path
) -> None:
    pytest.importorskip("torch")
    from tests.training_bridge.trainer import toys

    ada = rows.admin()
    sums = rows.campaign(ada)
    rows.batch(sums, ["5.", "6.", "7."])
    base = actions.register_checkpoint(name="toy", location=toys.base(tmp_path / "toy"), by=None, now=NOW)
    run = actions.request(
        campaign=sums,
        method="d2o",
        base=base,
        dataset=rows.dataset(sums, ada),
        hyperparameters={
            "max_steps": 200,
            "batch_size": 1,
            "save_every": 10,
            "anchors": 1,
            "anchor_max_new_tokens": 4,
            "device": "cpu",
        },
        sampling={"count": 3, "max_new_tokens": 6},
        by=ada,
        now=NOW,
    )
    place = folder.of(run)

    def advance() -> models.Run:
        return actions.advance(run_id=run.pk, clock=lambda: NOW)

    def has_saved() -> bool:
        after = advance()
        assert not after.is_over, after.reason
        return any(event["kind"] == "saved" for event in place.read_events())

    wait_until(has_saved, seconds=250)
    os.kill(pid_in(place.path, "trainer"), signal.SIGKILL)
    wait_until(lambda: advance().is_over)
    lost = models.Run.objects.get(pk=run.pk)
    assert (lost.state, lost.attempt) == ("lost", 1), lost.reason
    assert "SIGKILL" in lost.reason

    actions.resume(run=lost, by=ada, now=NOW)
    wait_until(lambda: advance().is_over, seconds=250)
    done = models.Run.objects.get(pk=run.pk)
    assert (done.state, done.attempt) == ("succeeded", 2), done.reason
    assert "resumed" in {event["kind"] for event in place.read_events()}
    made = models.Checkpoint.objects.get(run=run)
    assert made.parent == base
    assert Output.objects.filter(batch=made.sample_batches.get().batch, model=made.name).count() == 3
