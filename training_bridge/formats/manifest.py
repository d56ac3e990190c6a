"""A manifest names every file of a folder with its size and sha256.

It is written last: it exists = the folder is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

NAME = "manifest.json"


class BrokenManifest(ValueError):
    """A folder does not hold what its manifest says. The message names the first file that differs."""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path, facts: dict[str, Any]) -> str:
    """Write `folder/manifest.json` over all other files below `folder`; return the manifest's own sha256.

    `facts` are stored beside the key `files`; the same folder and facts give the same bytes.
    """
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    text = json.dumps({**facts, "files": files}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomically(folder / NAME, text)
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder: Path) -> dict[str, Any] | None:
    """Return the manifest, or None when there is none: the folder is not finished. Raises BrokenManifest."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BrokenManifest(f"{NAME} is not valid JSON") from error
    if not isinstance(found, dict):
        raise BrokenManifest(f"{NAME} is not a JSON object")
    return found


def verify(folder: Path) -> dict[str, Any]:
    """Return the manifest after checking every file against it. Raises BrokenManifest."""
    manifest = read(folder)
    if manifest is None:
        raise BrokenManifest(f"{folder.name} has no {NAME}: it was not finished")
    for name, sha256 in _listed(folder, manifest):
        path = folder / name
        if not path.is_file():
            raise BrokenManifest(f"{name} is missing")
        if sha256_of(path) != sha256:
            raise BrokenManifest(f"{name} differs from its sha256 in {NAME}")
    return manifest


def _listed(folder: Path, manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Names and sha256 of the listed files. Raises BrokenManifest for another shape, or a name outside the folder."""
    try:
        found = [(str(name), str(facts["sha256"])) for name, facts in manifest["files"].items()]
    except (KeyError, TypeError, AttributeError) as error:
        raise BrokenManifest(f"{NAME} does not list files with their sha256") from error
    root = folder.resolve()
    for name, _ in found:
        if not (root / name).resolve().is_relative_to(root):
            raise BrokenManifest(f"{NAME} lists {name}, which lies outside the folder")
    return found


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` so that a reader sees the old text or the new one, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
