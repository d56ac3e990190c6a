"""Runs the trainer as a process of this machine, apart from the worker that started it.

Truth about the process is in the run folder, not in the caller's memory: a worker that dies between starting the
trainer and saving its handle loses nothing, because the next one reads `process.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from annotate import errors
from training_bridge.formats import rundir
from training_bridge.runs.launchers import shim

START_SECONDS = 60
# The trainer gets what finds programs, models and devices. Not DATABASE_URL, SECRET_KEY or a broker's password.
PASSED = {
    *(
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "NEGATIVA_CHECKS",
        "NEGATIVA_REPORT_TO",
    ),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
}
PASSED_PREFIXES = (
    *("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "TOKENIZERS_", "TORCH", "PYTORCH_", "TRITON_"),
    *("CUDA_", "NVIDIA_", "NCCL_", "OMP_", "MKL_", "OPENBLAS_", "LD_", "XDG_", "LC_"),
    *("WANDB_", "MLFLOW_", "TRACKIO_", "TENSORBOARD_"),
)


class CannotLaunch(errors.OutsideError):
    """The trainer did not start. The message says what the system answered."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """What the folder and the kernel say about attempt `attempt`.

    `exit_code` follows subprocess: negative is a signal; None when it lives or nobody saw it end.
    """

    was_started: bool
    is_alive: bool
    exit_code: int | None
    pid: int


def launch(*, folder: rundir.RunDir, attempt: int) -> dict[str, Any]:
    """Start the trainer unless one lives in the folder already. Returns the handle. Raises CannotLaunch."""
    # As a file, not as a module: its package would bring Django, which the trainer's Python need not have.
    command = [python(), shim.__file__, str(folder.path), str(attempt), *trainer_command(folder=folder)]
    try:
        with folder.stderr.open("ab") as err:
            starter = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
                start_new_session=True,
            )
        code = starter.wait(timeout=START_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotLaunch(f"The trainer could not be started with {command[0]}: {error}") from error
    if code not in (0, shim.CODE_TAKEN):
        raise CannotLaunch(f"The trainer could not be started with {command[0]}: it ended with code {code}.")
    return _read(folder.path / shim.PROCESS)


def python() -> str:
    return settings.TRAINER_PYTHON or sys.executable


def trainer_command(*, folder: rundir.RunDir) -> list[str]:
    processes = settings.TRAINER_PROCESSES
    together = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return [python(), *(together if processes > 1 else []), "-m", "training_bridge.trainer", str(folder.path)]


def environment() -> dict[str, str]:
    passed = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith(PASSED_PREFIXES)}
    return {**passed, "PYTHONUNBUFFERED": "1"}


def observe(*, folder: rundir.RunDir, attempt: int) -> Sighting:
    """Look at the folder; nothing is changed. Alive is what holds the lock: the kernel frees it at the last death."""
    is_held = is_running(folder=folder)
    process = _read(folder.path / shim.PROCESS)
    ended = _read(folder.path / shim.EXIT)
    is_ours = process.get("attempt") == attempt
    return Sighting(
        was_started=is_ours,
        is_alive=is_held and "code" not in ended,
        exit_code=ended.get("code") if ended.get("attempt") == attempt else None,
        pid=process.get("trainer", {}).get("pid", 0) if is_ours else 0,
    )


def is_running(*, folder: rundir.RunDir) -> bool:
    """Whether a trainer or its keeper lives in the folder, of whatever attempt."""
    try:
        with (folder.path / shim.LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop(*, folder: rundir.RunDir, is_forced: bool) -> None:
    """Ask the trainer's whole process group to end, or end the trainer; its keeper then ends what is left of the group.

    A process that is not ours any more (same number, other start time) is left alone.
    """
    process = _read(folder.path / shim.PROCESS)
    trainer, keeper = process.get("trainer", {}), process.get("keeper", {})
    if not _lives(trainer):
        return
    with contextlib.suppress(ProcessLookupError):
        if not is_forced:
            os.killpg(os.getpgid(trainer["pid"]), signal.SIGTERM)
        elif _lives(keeper):
            os.kill(trainer["pid"], signal.SIGKILL)
        else:
            os.killpg(os.getpgid(trainer["pid"]), signal.SIGKILL)


def _lives(identity: dict[str, Any]) -> bool:
    return bool(identity) and shim.identity(identity["pid"]) == identity


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
