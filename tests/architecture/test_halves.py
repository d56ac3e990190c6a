"""Each half runs in a process in which the other half cannot be imported."""

import os
import re
import subprocess
import sys

from tests.architecture import places

IMPORT_ALL = """
import importlib, sys
forbidden = {forbidden!r}

class Wall:
    def find_spec(self, name, path=None, target=None):
        if any(name == each or name.startswith(each + ".") for each in forbidden):
            raise ModuleNotFoundError(f"the other half: {{name}}", name=name)

sys.meta_path.insert(0, Wall())
{before}
for name in {modules!r}:
    importlib.import_module(name)
print("imported")
"""

TORCH = [
    "torch",
    "transformers",
    "sentence_transformers",
    "peft",
    "accelerate",
    "safetensors",
    "training_bridge.trainer",
]
WEB_ROOMS = ["exports", "runs", "evaluations", "demo"]
NEEDS_AN_EXTRA = {"training_bridge.trainer.drawing_vllm"}
DJANGO = ["django", "celery", "kombu", "rest_framework", "psycopg", "annotate", "frontend", "worker"]


def run(*, forbidden: list[str], modules: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
    program = IMPORT_ALL.format(forbidden=forbidden, modules=modules, before=before)
    environment = {**os.environ, "PYTHONPATH": str(places.ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=places.ROOT, env=environment, capture_output=True, text=True, timeout=250
    )


def test_web_half_runs_without_torch() -> None:
    rooms = [f"training_bridge.{room}" for room in WEB_ROOMS]
    modules = places.modules("annotate", "frontend", "worker", *rooms, "training_bridge.formats")
    done = run(forbidden=TORCH, modules=modules, before="import django; django.setup()")
    assert done.stdout.endswith("imported\n"), done.stderr


def test_gpu_half_runs_without_django() -> None:
    forbidden = [*DJANGO, *(f"training_bridge.{room}" for room in WEB_ROOMS), "training_bridge.client"]
    modules = places.modules("training_bridge.trainer", "training_bridge.formats")
    assert set(modules) >= NEEDS_AN_EXTRA
    modules = [each for each in modules if each not in NEEDS_AN_EXTRA]
    done = run(forbidden=forbidden, modules=modules)
    assert done.stdout.endswith("imported\n"), done.stderr


def test_client_runs_without_django_and_without_torch() -> None:
    forbidden = [*DJANGO, *TORCH, *(f"training_bridge.{room}" for room in WEB_ROOMS)]
    done = run(forbidden=forbidden, modules=places.modules("training_bridge.client", "training_bridge.formats"))
    assert done.stdout.endswith("imported\n"), done.stderr


def test_the_wall_stands() -> None:
    done = run(forbidden=["json"], modules=["json.decoder"])
    assert "the other half: json" in done.stderr


def test_formats_needs_the_standard_library_only_but_for_checks() -> None:
    """Each third-party package is met in one file; docs and requirements name them."""
    allowed = {"patterns": "re2", "json_schema": "jsonschema referencing", "language": "py3langid", "written": "yaml"}
    for path in (places.ROOT / "training_bridge" / "formats").rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        others = set(imported) - sys.stdlib_module_names - {"training_bridge"}
        assert others <= set(allowed.get(path.stem, "").split()), path
