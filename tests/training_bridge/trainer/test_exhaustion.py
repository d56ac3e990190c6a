"""A disk and a memory that are really full: the trainer as a process, under what the system refuses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.training_bridge.trainer import toys
from training_bridge.formats import rundir

Make = Callable[..., rundir.RunDir]
ROOT = Path(rundir.__file__).parents[2]
# A file system of its own, as large as is said, that nobody else sees and that goes with the process.
ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3"/. "$2" || exit 99
"$5" -m training_bridge.trainer "$2"; code=$?
(cd "$2" && find . -type f) > "$4"/names && cp "$2"/status.json "$4"/status.json
exit $code
"""
WITH_LITTLE_MEMORY = """
import pathlib, resource, sys
from training_bridge.trainer import boundary, engine, recipes
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + 300 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
sys.exit(boundary.run(folder=pathlib.Path(sys.argv[1])))
"""


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def can_mount() -> bool:
    try:
        return run(["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize(
    ("size", "save_every", "phase"), [("200k", 1, "training"), ("100k", 0, "saving")], ids=["state", "checkpoint"]
)
def test_a_full_disk_leaves_no_half_state_and_no_half_checkpoint(
    make: Make, tmp_path: Path, size: str, save_every: int, phase: str
) -> None:
    if not can_mount():
        pytest.skip("this machine lets nobody mount a file system of their own")
    source = make("source", method="pretrain", rows=toys.sums(8), save_every=save_every, max_steps=2)
    target, told = tmp_path / "target", tmp_path / "told"
    target.mkdir()
    told.mkdir()
    asked = [size, str(target), str(source.path), str(told), sys.executable]
    ended = run(["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", *asked])
    assert ended.returncode == 1, ended.stderr
    status = json.loads((told / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["reason"].startswith(f"The disk is full (while {phase})")
    names = (told / "names").read_text().split()
    assert not [name for name in names if any(part in name for part in ("checkpoint", "step-", ".tmp", "unfinished"))]


def test_out_of_memory_on_the_cpu_says_what_to_lower(make: Make) -> None:
    rows: list[dict[str, Any]] = [{"prompt": "a" * 300, "completion": "b" * 200}] * 256
    place = make(method="pretrain", rows=rows, batch_size=256, max_steps=1)
    ended = run([sys.executable, "-c", WITH_LITTLE_MEMORY, str(place.path)])
    assert ended.returncode == 1, ended.stderr
    status = place.read_status()
    assert status is not None
    assert status.state == "failed"
    assert status.reason.startswith("Out of memory while training (")
    assert "Lower batch_size (256; raise gradient_accumulation from 1" in status.reason
    assert not place.checkpoint.exists()
