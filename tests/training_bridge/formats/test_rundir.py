from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

from training_bridge.formats import manifest, rundir


def test_read_status_before_there_is_one(tmp_path: Path) -> None:
    assert rundir.RunDir(path=tmp_path).read_status() is None


def test_write_status_stamps_time_and_process(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.write_status(rundir.Status(state="running", phase="training", step=3, total_steps=9))
    status = place.read_status()
    assert status is not None
    assert (status.phase, status.step, status.total_steps) == ("training", 3, 9)
    assert status.pid > 0
    assert status.updated_at > 1e9


def test_write_status_is_never_seen_half_written(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.write_status(rundir.Status(state="running"))
    seen: list[rundir.Status | None] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(place.read_status())

    reader = threading.Thread(target=look)
    reader.start()
    for step in range(200):
        place.write_status(rundir.Status(state="running", step=step, reason="x" * 5000))
    done.set()
    reader.join()
    assert None not in seen
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_read_status_of_another_version_or_a_broken_file(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.status.write_text(json.dumps({"state": "running", "mood": "good"}))
    assert place.read_status() == rundir.Status(state="running")
    for broken in ("{", "[]", "{}"):
        place.status.write_text(broken)
        assert place.read_status() is None


def test_append_event_survives_a_torn_line(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.append_event({"kind": "step", "step": 1})
    with place.events.open("ab") as file:
        file.write(b'{"kind": "step", "st')
    place.append_event({"kind": "step", "step": 2})
    assert [event["step"] for event in place.read_events()] == [1, 2]


def test_read_events_passes_over_what_is_no_object(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.events.write_bytes(b'[1]\n\xff\xfe\n\n{"kind": "end"}\n{"kind"')
    assert list(place.read_events()) == [{"kind": "end"}]


def test_append_event_writes_no_nan(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.append_event({"loss": float("nan"), "parts": {"kl": float("inf"), "all": [1.0, float("-inf")]}})
    assert list(place.read_events()) == [{"loss": None, "parts": {"kl": None, "all": [1.0, None]}}]


def test_is_checkpoint_complete_only_with_its_manifest(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.checkpoint.mkdir()
    assert not place.is_checkpoint_complete()
    manifest.write(place.checkpoint, {})
    assert place.is_checkpoint_complete()


def test_formats_needs_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from training_bridge.formats import manifest, rows, rundir, spec\n"
        "heavy = {name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "sys.exit(str(heavy - {'training_bridge'}) if heavy - {'training_bridge'} else 0)\n"
    )
    root = Path(rundir.__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
