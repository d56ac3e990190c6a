"""One measurement, one process: started alone, stopped at its time limit, its answer read from a file."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
# The same for both sides; threads that sleep while they wait are what our trainer sets for itself.
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TQDM_DISABLE": "1",
}
NAMES = ("torch", "transformers", "trl", "peft")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a process answered; where it answered nothing, `problem` says why."""

    answer: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def run(*, module: str, asked: dict[str, Any], folder: Path, threads: int, seconds: float | None = None) -> Ended:
    """Run `python -m module ASKED ANSWER`, both of them JSON files in `folder`, on `threads` threads."""
    folder.mkdir(parents=True, exist_ok=True)
    question, answer, log = (folder / name for name in ("asked.json", "answer.json", "log.txt"))
    question.write_text(json.dumps(asked), encoding="utf-8")
    answer.unlink(missing_ok=True)
    environment = {**os.environ, **ENVIRONMENT, "HF_HOME": str(folder / "hf")}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(threads)
    command = [sys.executable, "-m", module, str(question), str(answer)]
    with log.open("wb") as output:
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            return Ended(problem=f"not done after {seconds:.0f} s")
    if answer.exists():
        told = json.loads(answer.read_text(encoding="utf-8"))
        return Ended(problem=told.pop("problem", ""), answer=told)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no output"]
    return Ended(problem=f"ended with status {done.returncode}: {last[0]}")


def question() -> tuple[dict[str, Any], Path]:
    """In the process that measures: what is asked, and where the answer goes."""
    asked: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    return asked, Path(sys.argv[2])


def peak_mib() -> float:
    """The largest resident memory of this process so far, in MiB.

    The kernel's own mark where it has one: what getrusage says begins with the size of the process that started us.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        import resource  # not on every system

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def machine() -> str:
    versions = ", ".join(f"{name} {version}" for name in NAMES if (version := _version(name)))
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}, {load}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
