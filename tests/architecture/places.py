"""Where the source is, and what pyproject.toml says of it."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("annotate", "training_bridge", "frontend", "worker")
WIRING = {"annotate.settings", "annotate.urls", "annotate.wsgi", "annotate.asgi"}
GPU_HALF = {"training_bridge.trainer", "training_bridge.client"}


def contracts() -> dict[str, dict[str, Any]]:
    """The import contracts by their id."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return {each["id"]: each for each in tools["importlinter"]["contracts"]}


def rooms() -> set[str]:
    """Every module or package directly under the packages that have rooms."""
    found: set[str] = {"frontend", "worker"}
    for package in ("annotate", "training_bridge"):
        for path in (ROOT / package).iterdir():
            if path.suffix == ".py" and path.stem != "__init__":
                found.add(f"{package}.{path.stem}")
            elif (path / "__init__.py").exists():
                found.add(f"{package}.{path.name}")
    return found


def modules(*parts: str) -> list[str]:
    """Dotted names of all modules below the named packages, without migrations."""
    found = []
    for part in parts:
        folder = ROOT / part.replace(".", "/")
        paths = [folder.with_suffix(".py")] if folder.with_suffix(".py").exists() else sorted(folder.rglob("*.py"))
        for path in paths:
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if ".migrations." not in name and not name.endswith("__main__"):
                found.append(name.removesuffix(".__init__"))
    return found
