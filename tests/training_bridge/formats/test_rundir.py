from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

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


def test_a_file_torn_at_any_byte_loses_no_later_line(tmp_path: Path) -> None:
    """Cut anywhere, then written on: what was whole before the cut and what came after it is read, and nothing else."""
    place = rundir.RunDir(path=tmp_path)
    before: list[dict[str, Any]] = [{"kind": "step", "step": 1, "said": '{"}\n🙂'}, {"kind": "end"}]
    for event in before:
        place.append_event(event)
    written = place.events.read_bytes()
    for cut in range(len(written) + 1):
        place.events.write_bytes(written[:cut])
        place.append_event({"kind": "after"})
        whole = written[:cut].count(b"\n")
        # A line that lost only its end of line is whole: the next writer gives it one.
        whole += written[:cut].rpartition(b"\n")[2].endswith(b"}") and written[cut : cut + 1] == b"\n"
        assert list(place.read_events()) == [*before[:whole], {"kind": "after"}]


WRITER = (
    "import sys, pathlib; from training_bridge.formats import rundir\n"
    "place = rundir.RunDir(path=pathlib.Path(sys.argv[1]))\n"
    "for number in range(int(sys.argv[3])):\n"
    "    place.append_event({'kind': 'step', 'who': sys.argv[2], 'step': number, 'long': 'x' * (number % 7) * 3000})\n"
)


def start_writer(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    root = Path(rundir.__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(count)], cwd=root)


def test_two_writers_at_once_lose_no_line(tmp_path: Path) -> None:
    """A launch that is still dying and the next one."""
    writers = [start_writer(tmp_path, name, 300) for name in ("old", "new")]
    assert [each.wait(timeout=250) for each in writers] == [0, 0]
    events = list(rundir.RunDir(path=tmp_path).read_events())
    for name in ("old", "new"):
        assert [event["step"] for event in events if event["who"] == name] == list(range(300))


def test_a_writer_waits_for_one_in_the_middle_of_a_line(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    with place.events.open("ab", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        writer = threading.Thread(target=place.append_event, args=[{"kind": "after"}])
        writer.start()
        file.write(b'{"kind": "torn", ')
        writer.join(timeout=0.2)
        assert writer.is_alive()
    writer.join()
    assert list(place.read_events()) == [{"kind": "after"}]


def test_a_writer_that_is_killed_takes_no_line_of_the_other_with_it(tmp_path: Path) -> None:
    place = rundir.RunDir(path=tmp_path)
    dying = start_writer(tmp_path, "old", 10_000_000)
    try:
        while len(list(place.read_events())) < 20:
            assert dying.poll() is None
        for number in range(300):
            place.append_event({"kind": "step", "who": "new", "step": number})
            if number == 150:
                dying.kill()
    finally:
        dying.kill()
        dying.wait()
    assert [event["step"] for event in place.read_events() if event["who"] == "new"] == list(range(300))


def test_write_status_on_a_full_disk_keeps_the_old_one_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = rundir.RunDir(path=tmp_path)
    place.write_status(rundir.Status(state="running", step=3))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        place.write_status(rundir.Status(state="failed"))
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
    status = place.read_status()
    assert status is not None
    assert (status.state, status.step) == ("running", 3)


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


def test_formats_needs_the_standard_library_and_re2_only() -> None:
    """Checks bring re2; what their other kinds need is imported when one is first used."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "from training_bridge.formats import manifest, rows, rundir, spec\n"
        "heavy = {name.split('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "heavy -= {'re2', 'training_bridge'}\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    root = Path(rundir.__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
