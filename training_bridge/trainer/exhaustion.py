"""Out of memory: how it is recognised, and which of the run's settings to lower."""

from __future__ import annotations

import errno
import re

from training_bridge.formats import spec

# What torch, its GPU libraries and the operating system say, where the exception's class says nothing.
SIGNS = (
    "DefaultCPUAllocator",
    "can't allocate memory",
    "Cannot allocate memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
)
WANTED = re.compile(r"tried to allocate ([\d.]+ ?\w+)", re.IGNORECASE)


def is_out_of_memory(error: BaseException) -> bool:
    """On the GPU, and on the CPU where the system refuses; where it kills instead, the launcher sees the signal."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    return any(sign in str(error) for sign in SIGNS)


def advice(error: BaseException, *, phase: str, asked: spec.RunSpec | None) -> str:
    """Say what was wanted, as far as the error tells, and what to lower, from which value."""
    wanted = WANTED.search(str(error))
    amount = f" ({wanted[1]} more were wanted)" if wanted else ""
    return f"Out of memory while {phase}{amount}. {_what_to_lower(phase, asked)}"


def _what_to_lower(phase: str, asked: spec.RunSpec | None) -> str:
    if asked is None:
        return "Give the trainer more memory."
    settings, sampling = asked.hyperparameters, asked.sampling or spec.Sampling()
    if phase == "sampling":
        return (
            f"Lower the sampling's batch_size ({sampling.batch_size}) or max_new_tokens ({sampling.max_new_tokens}); "
            "the checkpoint is kept, so launching again only samples."
        )
    if phase == "anchors":
        return (
            f"Lower anchor_max_new_tokens ({settings.anchor_max_new_tokens}) or max_prompt_length "
            f"({_or_none(settings.max_prompt_length)})."
        )
    if phase in ("starting", "loading"):
        return f"The base alone needs more than there is: take a smaller one{_half(settings)}, or a larger machine."
    batch = (
        f"batch_size ({settings.batch_size}; raise gradient_accumulation from {settings.gradient_accumulation} to keep "
        "the rows of a step)"
    )
    length = f"max_length ({settings.max_length or 'as long as the base reads'})"
    levers = [batch, length] if settings.batch_size > 1 else [length]
    if settings.lora_rank:
        return f"Lower {', '.join(levers)} or lora_rank ({settings.lora_rank}){_half(settings)}."
    return f"Lower {' or '.join(levers)}, train an adapter (lora_rank 8 or 16) instead of all weights{_half(settings)}."


def _half(settings: spec.Hyperparameters) -> str:
    return ", or use dtype bfloat16 on a GPU" if settings.dtype == "float32" else ""


def _or_none(value: int) -> str:
    return str(value) if value else "none is set"
