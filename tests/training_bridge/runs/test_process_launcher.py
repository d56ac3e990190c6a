"""The process launcher with real processes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training_bridge.runs.conftest import SMALL_TRAINER, is_alive, pid_in, wait_until
from training_bridge.formats import rundir, spec
from training_bridge.runs.launchers import process, shim


@pytest.fixture
def place(runs_folder: Path) -> rundir.RunDir:
    folder = runs_folder / "1"
    (folder / "data").mkdir(parents=True)
    found = rundir.RunDir(path=folder)
    spec.RunSpec(method="kto", base=spec.Base(location="gpt2"), checkpoint_name="c").write(found.spec)
    return found


def ended(place: rundir.RunDir, attempt: int = 1) -> Callable[[], bool]:
    return lambda: not process.is_running(folder=place)


def test_launch_runs_to_the_end_and_leaves_the_exit_code(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    handle = process.launch(folder=place, attempt=1)
    assert handle["attempt"] == 1
    wait_until(ended(place))
    sighting = process.observe(folder=place, attempt=1)
    assert (sighting.was_started, sighting.is_alive, sighting.exit_code) == (True, False, 0)


def test_launch_leaves_no_child_of_ours_behind(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    manner("wait")
    process.launch(folder=place, attempt=1)
    parents = [
        Path(f"/proc/{pid_in(place.path, name)}/stat").read_text().rpartition(")")[2].split()[1:4]
        for name in ("keeper", "trainer")
    ]
    assert str(os.getpid()) not in {parent for parent, _, _ in parents}
    sessions = {session for _, _, session in parents}
    assert sessions == {str(pid_in(place.path, "keeper"))}
    assert not zombies_of_ours()


def zombies_of_ours() -> list[str]:
    """Children of this process that ended and were not waited for."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            found += [stat.parent.name] if (state, parent) == ("Z", str(os.getpid())) else []
    return found


def test_launch_twice_starts_one_trainer(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    manner("wait")
    first = process.launch(folder=place, attempt=1)
    assert process.launch(folder=place, attempt=1) == first


def test_launch_from_many_threads_at_once_starts_one_trainer(
    place: rundir.RunDir, manner: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    manner("wait")
    monkeypatch.setattr(shim, "LOCK_PATIENCE_SECONDS", 0.1)
    handles: list[dict[str, object]] = []
    threads = [
        threading.Thread(target=lambda: handles.append(process.launch(folder=place, attempt=1))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({json.dumps(handle) for handle in handles if handle}) == 1
    commands = [path.read_bytes().split(b"\0") for path in Path("/proc").glob("[0-9]*/cmdline")]
    wanted = [str(SMALL_TRAINER).encode(), str(place.path).encode()]
    assert sum(command[1:3] == wanted for command in commands) == 1


def test_the_trainer_gets_no_secrets(place: rundir.RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("SECRET_KEY", "secret")
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:secret@host")
    monkeypatch.setenv("HF_HOME", "/models")

    def command(*, folder: rundir.RunDir) -> list[str]:
        program = (
            "import json, os, pathlib, sys\n"
            "pathlib.Path(sys.argv[1], 'env').write_text(json.dumps([dict(os.environ), os.nice(0)]))"
        )
        return [sys.executable, "-c", program, str(folder.path)]

    monkeypatch.setattr(process, "trainer_command", command)
    process.launch(folder=place, attempt=1)
    wait_until(ended(place))
    seen, niceness = json.loads((place.path / "env").read_text())
    assert "secret" not in json.dumps(seen)
    assert seen["HF_HOME"] == "/models"
    assert niceness >= shim.NICENESS


def test_kill_9_of_the_trainer_is_seen_as_a_signal(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    manner("wait")
    process.launch(folder=place, attempt=1)
    os.kill(pid_in(place.path, "trainer"), signal.SIGKILL)
    wait_until(ended(place))
    assert process.observe(folder=place, attempt=1).exit_code == -signal.SIGKILL


def test_kill_9_of_trainer_and_keeper_leaves_no_exit_code(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    manner("wait")
    process.launch(folder=place, attempt=1)
    for name in ("keeper", "trainer"):
        os.kill(pid_in(place.path, name), signal.SIGKILL)
    wait_until(ended(place))
    sighting = process.observe(folder=place, attempt=1)
    assert (sighting.is_alive, sighting.exit_code) == (False, None)


def test_a_trainer_whose_keeper_was_killed_still_holds_the_folder(
    place: rundir.RunDir, manner: Callable[[str], None]
) -> None:
    manner("wait")
    first = process.launch(folder=place, attempt=1)
    os.kill(pid_in(place.path, "keeper"), signal.SIGKILL)
    wait_until(lambda: not is_alive(pid_in(place.path, "keeper")))
    assert process.observe(folder=place, attempt=1).is_alive
    assert process.launch(folder=place, attempt=2) == first
    process.stop(folder=place, is_forced=True)
    wait_until(ended(place))


def test_stop_asks_first_and_forces_when_it_must(place: rundir.RunDir, manner: Callable[[str], None]) -> None:
    manner("stubborn")
    process.launch(folder=place, attempt=1)
    wait_until(lambda: place.status.exists())
    process.stop(folder=place, is_forced=False)
    assert process.observe(folder=place, attempt=1).is_alive
    process.stop(folder=place, is_forced=True)
    wait_until(ended(place))
    assert process.observe(folder=place, attempt=1).exit_code == -signal.SIGKILL


def test_stop_leaves_a_stranger_with_the_same_number_alone(place: rundir.RunDir) -> None:
    stranger = subprocess.Popen(["sleep", "30"])
    try:
        identity = {**shim.identity(stranger.pid), "started": "1"}
        (place.path / shim.PROCESS).write_text(json.dumps({"attempt": 1, "keeper": identity, "trainer": identity}))
        process.stop(folder=place, is_forced=True)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_second_attempt_is_not_told_by_what_the_first_left(
    place: rundir.RunDir, manner: Callable[[str], None]
) -> None:
    manner("fail")
    process.launch(folder=place, attempt=1)
    wait_until(ended(place))
    assert not process.observe(folder=place, attempt=2).was_started
    manner("wait")
    process.launch(folder=place, attempt=2)
    sighting = process.observe(folder=place, attempt=2)
    assert (sighting.was_started, sighting.is_alive, sighting.exit_code) == (True, True, None)
    status = place.read_status()
    assert status is None or status.state == "running"


def test_several_processes_are_started_by_torchrun(place: rundir.RunDir, settings: object) -> None:
    alone = process.trainer_command(folder=place)
    settings.TRAINER_PROCESSES = 4  # type: ignore[attr-defined]
    together = process.trainer_command(folder=place)
    assert together[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"]
    assert (together[0], together[6:]) == (alone[0], alone[1:])


def test_launch_says_why_it_cannot(place: rundir.RunDir, settings: object) -> None:
    settings.TRAINER_PYTHON = "/no/such/python"  # type: ignore[attr-defined]
    with pytest.raises(process.CannotLaunch, match="/no/such/python"):
        process.launch(folder=place, attempt=1)


def test_the_shim_runs_where_neither_django_nor_this_project_is_installed(place: rundir.RunDir, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    command = [sys.executable, "-c", f"open({str(marker)!r}, 'w')"]
    subprocess.run(
        [sys.executable, "-S", "-E", shim.__file__, str(place.path), "1", *command],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    wait_until(ended(place))
    assert marker.exists()
    assert process.observe(folder=place, attempt=1).exit_code == 0
