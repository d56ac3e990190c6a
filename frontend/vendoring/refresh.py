"""Copy the front end's few foreign files from npm into frontend/static/vendor, and write down what they are.

`python frontend/vendoring/refresh.py` needs npm and the network; nothing else does. package-lock.json pins every
byte: `npm ci` refuses an archive whose hash is another. To take a new version, edit package.json, run
`npm install --package-lock-only` in this folder, and run this again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "static" / "vendor"
FILES = {
    "uplot": ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, work / name)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=work, check=True)
        entries = [entry for package in sorted(FILES) for entry in _copied(package, work / "node_modules" / package)]
    (TARGET / "VENDOR.json").write_text(json.dumps(entries, indent=2) + "\n")
    sys.stdout.write(f"{len(entries)} files in {TARGET}\n")


def _copied(package: str, source: Path) -> list[dict[str, str]]:
    about = json.loads((source / "package.json").read_text())
    folder = TARGET / package
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name in FILES[package]:
        copy = folder / Path(name).name
        shutil.copyfile(source / name, copy)
        entries.append(
            {
                "file": copy.relative_to(TARGET).as_posix(),
                "package": package,
                "version": about["version"],
                "licence": about["license"],
                "source": name,
                "sha256": hashlib.sha256(copy.read_bytes()).hexdigest(),
            }
        )
    return entries


if __name__ == "__main__":
    main()
