"""Several processes that train one model. torchrun starts them, FSDP2 divides the weights between them.

    torchrun --standalone --nproc-per-node 4 -m training_bridge.trainer RUN_FOLDER

Every process reads the same rows and takes the same steps; of each micro-batch it computes its own part. The first one
alone writes to the run folder. Alone, a process is the first of one, and nothing here costs anything.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

T = TypeVar("T")


def start(*, device_type: str) -> None:
    """Join the other processes, where torchrun started some."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device_type == "cuda" else "gloo")


def end() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def count() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def is_first() -> bool:
    return rank() == 0


def gather(own: Tensor) -> Tensor:
    """Every process's values, one after the other: (N,) -> (count * N,). All must have as many."""
    if count() == 1:
        return own
    found = [torch.empty_like(own) for _ in range(count())]
    torch.distributed.all_gather(found, own.contiguous())
    return torch.cat(found)


def gather_objects(own: T) -> list[T]:
    """What every process has, by rank."""
    if count() == 1:
        return [own]
    found: list[Any] = [None] * count()
    torch.distributed.all_gather_object(found, own)
    return found


def from_first(own: T) -> T:
    """What the first process has, in all of them."""
    if count() == 1:
        return own
    found = [own]
    torch.distributed.broadcast_object_list(found, src=0)
    return found[0]


def whole(value: Tensor) -> Tensor:
    """A divided tensor put together again, on the CPU and by itself. All processes must ask at once."""
    if isinstance(value, DTensor):
        value = value.full_tensor()
    return value.detach().cpu().contiguous()


def divided_as(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of `like`, divided as it is."""
    if isinstance(like, DTensor):
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
    return value.to(like.device)
