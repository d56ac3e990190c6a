"""The import contracts hold, name every room, and each can fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import places

BREAKS = {
    "layers": ("annotate/queue/policy.py", "from annotate.judgments import models"),
    "web-half": ("training_bridge/exports/queries.py", "import torch"),
    "gpu-half": ("training_bridge/client/client.py", "import django.conf"),
    "wiring": ("frontend/paging.py", "from annotate import settings"),
}


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--no-logo", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for package in places.PACKAGES:
        only_source = shutil.ignore_patterns("__pycache__", "static", "templates")
        shutil.copytree(places.ROOT / package, folder / package, ignore=only_source)
    shutil.copy(places.ROOT / "pyproject.toml", folder)
    return folder


def test_contracts_hold() -> None:
    done = lint(places.ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("contract", sorted(BREAKS))
def test_contract_can_fail(contract: str, copy: Path) -> None:
    path, line = copy / BREAKS[contract][0], BREAKS[contract][1]
    before = path.read_text() if path.exists() else ""
    path.write_text(f"{before}\n{line}\n")
    try:
        done = lint(copy, "--contract", contract)
    finally:
        path.write_text(before)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout


def test_every_contract_is_proven() -> None:
    assert set(BREAKS) == set(places.contracts())


def test_every_room_is_named_in_the_layers() -> None:
    layers = places.contracts()["layers"]["layers"]
    named = {room.strip() for layer in layers for room in layer.split("|")}
    assert places.rooms() - places.WIRING - places.GPU_HALF == named


def test_both_halves_are_named_in_their_contracts() -> None:
    contracts = places.contracts()
    web = set(contracts["web-half"]["source_modules"])
    tops = {"annotate", "frontend", "worker"}
    assert tops <= web
    rooms = {room for room in places.rooms() if room.startswith("training_bridge.")}
    assert web - tops == rooms - {"training_bridge.trainer"}
    forbidden = set(contracts["gpu-half"]["forbidden_modules"])
    gpu = set(contracts["gpu-half"]["source_modules"])
    assert gpu == places.GPU_HALF | {"training_bridge.formats"}
    assert rooms - gpu <= forbidden
