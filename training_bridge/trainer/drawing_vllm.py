"""Drawing completions with vLLM (docker/requirements-vllm.txt), written against its documented interface.

We have not run it on a GPU: the tests hold a stand-in to the arguments of `LLM`, `SamplingParams`, `TokensPrompt` and
`LoRARequest` as vLLM 0.33 has them.

The engine reads its weights from a folder and takes most of the GPU's free memory while it is open; the policy waits
on the CPU.
Each completion has its own seed. The same seeds give the same completions as far as vLLM's kernels do not depend on
what else is in a batch, which vLLM does not promise.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import vllm
import vllm.inputs
import vllm.lora.request

from training_bridge.formats import spec
from training_bridge.trainer import errors, generation, job, models

# What vLLM's configuration of adapters admits.
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
SHARE = 0.9
AS_IT_STANDS = "as-it-stands"


@contextlib.contextmanager
def opened(*, job: job.Job, policy: models.Policy, tokens: int, is_moved: bool) -> Iterator[Engine]:
    """An engine with the weights that `drawing.opened` names. Raises Refused for an adapter that vLLM cannot take."""
    with _weights(job, policy, is_moved=is_moved) as weights, _waiting(policy):
        engine = Engine(policy=policy, weights=weights, tokens=tokens)
        try:
            yield engine
        finally:
            engine.close()


class Engine:
    """One vLLM engine; called as `drawing.Complete`."""

    def __init__(self, *, policy: models.Policy, weights: spec.Base, tokens: int) -> None:
        self._policy = policy
        self._adapter = vllm.lora.request.LoRARequest("adapter", 1, weights.adapter) if weights.adapter else None
        self._llm = vllm.LLM(**arguments(weights=weights, dtype=policy.dtype, tokens=tokens, share=_free_share()))

    def __call__(
        self,
        *,
        prompts: Sequence[list[int]],
        settings: generation.Settings,
        seed: str,
        check: Callable[[], None],
    ) -> list[generation.Completion]:
        """One completion for each prompt. `check` is called before and after, not between tokens."""
        check()
        ends = generation.end_tokens(self._policy)
        found = self._llm.generate(
            [vllm.inputs.TokensPrompt(prompt_token_ids=prompt) for prompt in prompts],
            [sampling(settings, ends=ends, seed=f"{seed}/{place}") for place in range(len(prompts))],
            use_tqdm=False,
            lora_request=self._adapter,
        )
        check()
        return [
            generation.completed(self._policy.tokenizer, prompt, list(each.outputs[0].token_ids), ends)
            for prompt, each in zip(prompts, found, strict=True)
        ]

    def close(self) -> None:
        """The engine's own process ends, and its memory is free, when nothing refers to it any more."""
        del self._llm
        gc.collect()
        torch.cuda.empty_cache()


def arguments(*, weights: spec.Base, dtype: torch.dtype, tokens: int, share: float) -> dict[str, Any]:
    """What `vllm.LLM` is made with. Everything that a checkpoint's own generation settings could change is said."""
    found: dict[str, Any] = {
        "model": weights.location,
        "dtype": str(dtype).removeprefix("torch."),
        "max_model_len": tokens,
        "gpu_memory_utilization": share,
        "load_format": "safetensors",
        "generation_config": "vllm",
        "trust_remote_code": False,
        "seed": 0,
    }
    if weights.adapter:
        found |= {"enable_lora": True, "max_lora_rank": _rank_of(weights.adapter)}
    return found


def sampling(settings: generation.Settings, *, ends: Sequence[int], seed: str) -> Any:
    """One completion's parameters. Token ids come back, and are decoded here as those of transformers are."""
    return vllm.SamplingParams(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_tokens=settings.max_new_tokens,
        stop_token_ids=list(ends),
        seed=int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big") >> 1,
        detokenize=False,
    )


@contextlib.contextmanager
def _weights(job: job.Job, policy: models.Policy, *, is_moved: bool) -> Iterator[spec.Base]:
    """Where the weights lie. Those of a training under way are written beside its states while they are needed."""
    base = job.spec.base
    if not is_moved:
        yield models.result_of(job=job) if job.folder.is_checkpoint_complete() else base
        return
    if policy.is_adapter and base.adapter:
        raise errors.Refused(
            "vLLM takes one adapter, and this run trains a second one over its base's. Choose transformers as "
            "anchor_engine, or start from merged weights."
        )
    place = job.folder.steps / AS_IT_STANDS
    shutil.rmtree(place, ignore_errors=True)
    try:
        policy.model.save_pretrained(str(place))
        policy.tokenizer.save_pretrained(str(place))
        yield (
            spec.Base(location=base.location, adapter=str(place))
            if policy.is_adapter
            else spec.Base(location=str(place))
        )
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def _waiting(policy: models.Policy) -> Iterator[None]:
    """The policy's weights leave the GPU to the engine. Parameters stay the same objects: an optimizer keeps them."""
    policy.model.to("cpu")
    torch.cuda.empty_cache()
    try:
        yield
    finally:
        policy.model.to(policy.device)


def _free_share() -> float:
    """The share of the GPU's memory that the engine may take: most of what is free."""
    free, total = torch.cuda.mem_get_info()
    return round(SHARE * free / total, 3)


def _rank_of(adapter: str) -> int:
    """The smallest rank that vLLM admits and the adapter fits in. Raises Refused."""
    rank = json.loads((Path(adapter) / "adapter_config.json").read_text(encoding="utf-8"))["r"]
    found = next((each for each in RANKS if each >= rank), None)
    if found is None:
        raise errors.Refused(f"vLLM takes adapters up to rank {RANKS[-1]}; this one's is {rank}. Choose transformers.")
    return found
