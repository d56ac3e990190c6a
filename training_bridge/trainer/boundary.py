"""The process boundary: every way a run can end becomes a status with a reason fit for people."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training_bridge.formats import rundir, spec
from training_bridge.trainer import errors, exhaustion, job, reporting

STOPPED = "Cancelled: the run was asked to stop. Steps saved so far are kept; launching it again continues from there."

ENVIRONMENT = {
    # Threads that spin while they wait starve each other where cores are shared: with a busy machine (load 7 on two
    # cores) a small model trained 14 times slower, and sampled 30 times slower, than with threads that sleep.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    # The logs are read by people, on a page: no progress bars, no advice for developers.
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
}


def run(*, folder: Path) -> int:
    """Run the folder's spec to its end. Returns 0 when it succeeded, else 1. Never raises for a failed run.

    The heavy imports happen inside, after the first status: the web half sees a living process at once.
    """
    place = rundir.RunDir(path=folder)
    if not folder.is_dir():
        sys.stderr.write(f"{folder} is not a folder\n")
        return 1
    try:
        return _run(place)
    except OSError as error:
        # No status can be written: the reason goes where the launcher's log may still take it.
        sys.stderr.write(f"{reason_of(error, phase='writing status.json')}\n")
        return 1


def _run(place: rundir.RunDir) -> int:
    """Raises OSError where status.json cannot be written, and nothing else."""
    with reporting.Reporter(place, is_silent=os.environ.get("RANK", "0") != "0") as reporter:
        _listen_for_sigterm(reporter)
        asked = None
        try:
            asked = place.read_spec()
            _work(job.Job(folder=place, spec=asked, reporter=reporter))
        except errors.Cancelled:
            reporter.finish("cancelled", STOPPED)
            return 1
        except errors.Released:
            return 0
        except Exception as error:  # noqa: BLE001 - the one process boundary: logged with its traceback, then told
            traceback.print_exc()
            reason = reason_of(error, phase=reporter.phase_name, asked=asked)
            reporter.finish("failed", reason)
            return 1
        reporter.finish("succeeded")
        return 0


def _work(work: job.Job) -> None:
    work.reporter.phase("starting")
    _set_environment()
    importlib.import_module("training_bridge.trainer.drawing").check(asked=work.spec)
    recipes = importlib.import_module("training_bridge.trainer.recipes")
    parallel = importlib.import_module("training_bridge.trainer.parallel")
    if work.spec.method == "sample" or work.folder.is_checkpoint_complete():
        # Only sampling is left, which the first process does alone; it must not wait for the others.
        if os.environ.get("RANK", "0") == "0":
            recipes.RECIPES[work.spec.method](work)
        return
    with parallel.together(device=work.settings.device):
        recipes.RECIPES[work.spec.method](work)


def _set_environment() -> None:
    """Before the heavy imports, which read it once. What the launcher set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore", FutureWarning)


def _listen_for_sigterm(reporter: reporting.Reporter) -> None:
    def stop(*_: Any) -> None:
        if reporter.is_finished:
            return
        # Both: raising leaves a long load at once; the flag holds where a library swallows the exception.
        reporter.ask_to_stop()
        raise errors.Cancelled

    signal.signal(signal.SIGTERM, stop)


def reason_of(error: Exception, *, phase: str, asked: spec.RunSpec | None = None) -> str:
    """Say in one or two sentences what went wrong and what to do. `asked` is None where the spec cannot be read."""
    if any(is_disk_full(each) for each in _causes(error)):
        return f"The disk is full (while {phase}). Free space and launch the run again; nothing half-written is kept."
    if any(exhaustion.is_out_of_memory(each) for each in _causes(error)):
        return exhaustion.advice(error, phase=phase, asked=asked)
    if isinstance(error, spec.BadSpec):
        return f"The run's settings cannot be used: {error}."
    if isinstance(error, errors.Refused):
        return str(error)
    first_line = (str(error).strip().splitlines() or [""])[0]
    return (
        f"An unexpected error while {phase}: {type(error).__name__}: {first_line}. The full traceback is in stderr.log."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from, but for our own sentences: they may speak of what was not fatal."""
    seen: BaseException | None = error
    while seen is not None:
        if not isinstance(seen, errors.Refused):
            yield seen
        seen = seen.__cause__


def is_disk_full(error: BaseException) -> bool:
    """Also where a quota, or the largest size a file may have, was reached."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return True
    # safetensors reports the operating system's error as text.
    return any(each in str(error) for each in ("No space left on device", "Disk quota exceeded", "File too large"))
