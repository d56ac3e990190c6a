"""Several processes that train one model. torchrun starts them, FSDP2 divides the weights between them.

    torchrun --standalone --nproc-per-node 4 -m training_bridge.trainer RUN_FOLDER

Every process reads the same rows and takes the same steps; of each micro-batch it computes its own part. The first one
alone writes to the run folder. Alone, a process is the first of one, and nothing here costs anything.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

T = TypeVar("T")

TOLD_BY_TORCHRUN = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextlib.contextmanager
def together(*, device: str) -> Iterator[None]:
    """Join the other processes, where torchrun started some, until this one has done its part."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    is_cuda = device != "cpu" and torch.cuda.is_available()
    if is_cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    torch.distributed.init_process_group("nccl" if is_cuda else "gloo")
    for name in TOLD_BY_TORCHRUN:  # accelerate would wrap the model once more, and on a CPU know nothing of FSDP2
        os.environ.pop(name, None)
    try:
        yield
    finally:
        end()


def end() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def count() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1


def rank() -> int:
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def is_first() -> bool:
    return rank() == 0


def divide(model: torch.nn.Module) -> None:
    """Divide the weights of a model between the processes, in place: each block by itself, and the rest.

    The rest, the head among it, stays whole from a forward pass until its backward pass has ended, because the head is
    also used by itself (chunked.py).
    """
    blocks = {name for each in model.modules() for name in getattr(each, "_no_split_modules", None) or ()}
    for module in list(model.modules()):
        if type(module).__name__ in blocks:
            fully_shard(module)
    fully_shard(model, reshard_after_forward=False)


def settle(model: torch.nn.Module) -> None:
    """Let the parameters be the divided ones again, where a pass without gradients left some whole."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


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
