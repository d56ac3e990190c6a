"""The trainer as a real process: killed in the middle, and asked to stop. torch is imported anew, so few tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.training_bridge.trainer import test_recipes
from training_bridge.formats import manifest, rundir

ROOT = Path(rundir.__file__).parents[2]
PATIENCE_SECONDS = 250


def start(place: rundir.RunDir) -> subprocess.Popen[bytes]:
    with place.stdout.open("ab") as stdout, place.stderr.open("ab") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "training_bridge.trainer", str(place.path)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=stdout,
            stderr=stderr,
        )


def wait_for_step(place: rundir.RunDir, step: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if any(event["kind"] == "step" and event["step"] >= step for event in place.read_events()):
            return
        time.sleep(0.02)
    raise AssertionError(f"no step {step}: {place.read_status()} {place.stderr.read_text()}")


def test_killed_and_launched_again_ends_with_the_same_weights(
    make: Callable[..., rundir.RunDir], launch: Callable[[rundir.RunDir], rundir.Status]
) -> None:
    asked = {"method": "kto", "rows": test_recipes.kto_rows(40), "max_steps": 200, "save_every": 10, "batch_size": 8}
    whole, cut = make("whole", **asked), make("cut", **asked)
    launch(whole)
    process = start(cut)
    try:
        wait_for_step(cut, 30)
        process.kill()
        process.wait()
        assert not cut.checkpoint.exists()
        process = start(cut)
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, cut.stderr.read_text()
    finally:
        process.kill()
        process.wait()
    assert test_recipes.events(cut, "resumed")[0]["step"] >= 20
    assert test_recipes.is_same(whole.checkpoint, cut.checkpoint)
    manifest.verify(cut.checkpoint)
    assert cut.stderr.read_text() == ""


def test_sigterm_ends_cancelled(make: Callable[..., rundir.RunDir]) -> None:
    place = make(method="kto", rows=test_recipes.kto_rows(), max_steps=1_000_000, save_every=0)
    process = start(place)
    try:
        wait_for_step(place, 1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_SECONDS) == 1
    finally:
        process.kill()
        process.wait()
    status = place.read_status()
    assert status is not None
    assert status.state == "cancelled"
    assert "asked to stop" in status.reason
