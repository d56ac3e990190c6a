"""Who draws completions: transformers in this process, or vLLM where it is installed. The same call for both."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from training_bridge.formats import spec
from training_bridge.trainer import errors, generation, job, models

ANCHOR_ENGINE = "hyperparameters.anchor_engine"
VLLM_HOTTEST = 2.0
VLLM_AT_ONCE = 1024  # vLLM makes its own batches of these; between them it is asked whether to stop


class Complete(Protocol):
    """`generation.complete` without the policy, which is settled."""

    def __call__(
        self,
        *,
        prompts: Sequence[list[int]],
        settings: generation.Settings,
        seed: str,
        check: Callable[[], None],
    ) -> list[generation.Completion]: ...


def check(*, asked: spec.RunSpec) -> None:
    """Before anything is loaded: raise Refused for an engine that cannot work here."""
    settings, sampled = asked.hyperparameters, asked.sampling
    if sampled is not None and sampled.engine == "vllm":
        _check_vllm("sampling.engine", asked, temperature=sampled.temperature)
    if asked.method == "d2o" and settings.anchor_engine == "vllm":
        _check_vllm(ANCHOR_ENGINE, asked, temperature=settings.anchor_temperature)


def at_once(*, engine: str, policy: models.Policy, tokens: int) -> int:
    """How many completions to ask for in one call, of prompts that have `tokens` tokens together with their answer."""
    return VLLM_AT_ONCE if engine == "vllm" else generation.at_once(policy, tokens=tokens)


@contextlib.contextmanager
def opened(
    *, engine: str, job: job.Job, policy: models.Policy, tokens: int, is_moved: bool = False
) -> Iterator[Complete]:
    """What draws from the policy as it stands. No prompt and its completion have more than `tokens` tokens together.

    vLLM reads weights from a folder. They are the run's base until it has a checkpoint, then that; `is_moved`: neither,
    training is under way.
    """
    if engine != "vllm":
        yield functools.partial(generation.complete, policy=policy)
        return
    from training_bridge.trainer import drawing_vllm  # it is not installed everywhere

    with drawing_vllm.opened(job=job, policy=policy, tokens=tokens, is_moved=is_moved) as complete:
        yield complete


def _check_vllm(name: str, asked: spec.RunSpec, *, temperature: float) -> None:
    if importlib.util.find_spec("vllm") is None:
        raise errors.Refused(
            f"{name} is vllm, but vLLM is not installed beside the trainer (docker/requirements-vllm.txt). Install it, "
            "or choose transformers."
        )
    device = models.device_of(asked.hyperparameters.device)
    if device.type != "cuda" or device.index:
        raise errors.Refused(
            f"{name} is vllm, which works on the first GPU that it sees, and this run's device is {device}. Choose "
            "transformers, or the device cuda (CUDA_VISIBLE_DEVICES says which GPU that is)."
        )
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and name == ANCHOR_ENGINE:
        raise errors.Refused(
            f"{name} is vllm, which draws in one process. Choose transformers, or train in one process."
        )
    if temperature > VLLM_HOTTEST:
        raise errors.Refused(f"{name} is vllm, which takes temperatures up to 2, and {temperature:g} is asked for.")
