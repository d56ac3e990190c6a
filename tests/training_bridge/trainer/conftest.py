"""One thread: tests share their cores, and threads that wait for each other would be slower than one that works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training_bridge.trainer import toys
from training_bridge.formats import rundir
from training_bridge.trainer import boundary, job, reporting

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer model with a character tokenizer. Read only."""
    return toys.base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def make(tmp_path: Path, base: Path) -> Callable[..., rundir.RunDir]:
    """Make a run folder: make("name", method="kto", rows=...)."""

    def folder(name: str = "run", *, location: Path | None = None, **asked: Any) -> rundir.RunDir:
        return toys.run_folder(tmp_path / name, location=location or base, **asked)

    return folder


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Callable[[rundir.RunDir], rundir.Status]:
    """Run the trainer in this process and return its last status."""
    monkeypatch.setattr(boundary, "_listen_for_sigterm", lambda _: None)
    monkeypatch.setattr(boundary, "_set_environment", lambda: None)

    def run(place: rundir.RunDir) -> rundir.Status:
        code = boundary.run(folder=place.path)
        status = place.read_status()
        assert status is not None
        assert (code == 0) == (status.state == "succeeded"), status
        return status

    return run


@pytest.fixture
def job_of() -> Callable[[rundir.RunDir], job.Job]:
    """A job for calling parts of the trainer directly; its heartbeat does not run."""
    return lambda place: job.Job(folder=place, spec=place.read_spec(), reporter=reporting.Reporter(place))
