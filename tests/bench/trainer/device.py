"""What a process can say of its accelerator; a CPU stands in for one in a dry run."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch

from tests.bench.trainer import process
from training_bridge.trainer import exhaustion, speed


def answered(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` found; a `problem` where it failed or did not fit, which is a finding as well."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - a case that fails must not end the others; the log has the traceback
        traceback.print_exc()
        return {"problem": problem_of(error)}


def problem_of(error: Exception) -> str:
    if exhaustion.is_out_of_memory(error):
        return "out of memory"
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def peak(device: torch.device) -> float | None:
    return speed.peak_of(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def memory(device: torch.device) -> dict[str, float]:
    """The most that was allocated on the device, in MiB; of the process, where it is a CPU."""
    if device.type != "cuda":
        return {"peak_mib": process.peak_mib()}
    return {"peak_mib": torch.cuda.max_memory_allocated(device) / 2**20}
