"""How fast a step was and what it took: tokens a second, memory, and the share of the GPU's arithmetic that was used.

MFU = FLOP per token x tokens per second / peak FLOP per second, with the FLOP that the model needs, however it is
computed (arXiv:2204.02311, appendix B). Per token, with N the weights of all matrices but embeddings and head:

* 6 N where they are trained (2 forward, 2 by the inputs, 2 by the weights), 4 N where they are frozen under an adapter
  (nothing by the weights), and 6 for each of the adapter's own;
* as much for the head's weights, but only in tokens of completions: no other logits are needed;
* 12 L d T for attention, L layers, d = heads x their width, T the mean length of a sequence; as usual the causal half
  that is not needed is not taken off.

What a method computes besides (KTO's baseline, references) and what is computed twice to save memory counts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from training_bridge.trainer import data, models, reporting

# Dense bfloat16 TFLOP/s by the maker's data sheets, by a pattern of the name that CUDA gives; the first that fits.
PEAKS: tuple[tuple[str, float], ...] = (
    (r"H(100|200) NVL", 835.5),
    (r"H100 PCIe", 756.5),
    (r"(H100|H200|GH200)", 989.4),
    (r"B200", 2250.0),
    (r"A100", 312.0),
    (r"L40S", 362.1),
    (r"L4", 121.0),
    (r"A10", 125.0),
    (r"RTX 4090", 165.2),
    (r"RTX 3090", 71.0),
)


@dataclass(frozen=True, kw_only=True)
class Size:
    """What of a model is multiplied with every token: weights that are trained and frozen, in matrices and the head.

    `attention` is L d.
    """

    trained: int
    frozen: int
    head_trained: int
    head_frozen: int
    attention: int

    def flop(self, *, length: float, wanted: float) -> float:
        """FLOP per token of training; `length` is the mean sequence's, `wanted` the share of tokens with logits.

        >>> full = Size(trained=1000, frozen=0, head_trained=100, head_frozen=0, attention=10)
        >>> full.flop(length=5, wanted=0.5)  # 6000 + 300 + 600
        6900.0
        >>> adapter = Size(trained=50, frozen=1000, head_trained=0, head_frozen=100, attention=10)
        >>> adapter.flop(length=5, wanted=0.5)  # 300 + 4000 + 200 + 600
        5100.0
        """
        body = 6 * self.trained + 4 * self.frozen
        head = 6 * self.head_trained + 4 * self.head_frozen
        return body + wanted * head + 12 * self.attention * length


class Meter:
    """Measures the steps of one policy, which `devices` GPUs compute together."""

    def __init__(self, *, policy: models.Policy, devices: int = 1) -> None:
        self._device = policy.device
        self._size = size_of(policy.model)
        name = torch.cuda.get_device_name(policy.device) if policy.device.type == "cuda" else ""
        # The table's figures are for bfloat16; in float32 there is another peak, or several.
        peak = peak_of(name) if policy.dtype == torch.bfloat16 else None
        self._peak = peak and peak * devices

    def of_step(self, *, tokens: int, seconds: float, rows: Sequence[Any]) -> dict[str, Any]:
        """What the step's event says; `mfu` only where the GPU's peak is known. `rows` are the step's, of any kind."""
        per_second = tokens / max(seconds, 1e-9)
        told: dict[str, Any] = {"tokens_per_second": round(per_second, 1), "memory_mib": reporting.memory_mib()}
        if self._device.type == "cuda":
            told["cuda_memory_mib"] = torch.cuda.max_memory_allocated(self._device) // 2**20
        if self._peak and self._size:
            length, wanted = shape_of(rows)
            told["mfu"] = round(per_second * self._size.flop(length=length, wanted=wanted) / self._peak, 4)
        return told


def peak_of(name: str) -> float | None:
    """FLOP/s in dense bfloat16 of a GPU by the name that CUDA gives it; None for one that is not in the table."""
    if "Laptop" in name:
        return None
    for pattern, tera in PEAKS:
        if re.search(rf"\b{pattern}\b", name):
            return tera * 1e12
    return None


def size_of(model: Any) -> Size | None:
    """None for a mixture of experts, which uses a part of its weights, and where the configuration says too little."""
    config = model.config.get_text_config()
    layers, width = getattr(config, "num_hidden_layers", None), getattr(config, "hidden_size", None)
    heads = getattr(config, "num_attention_heads", None)
    if any(getattr(config, name, None) for name in ("num_experts", "num_local_experts")) or not (layers and width):
        return None
    if heads and getattr(config, "head_dim", None):
        width = heads * config.head_dim
    tables = [each for each in model.modules() if isinstance(each, torch.nn.Embedding)]
    embeddings = {id(each) for table in tables for each in table.parameters()}
    head = [each for each in model.get_output_embeddings().parameters() if each.dim() > 1]
    besides = embeddings | {id(each) for each in head}
    body = [each for each in model.parameters() if each.dim() > 1 and id(each) not in besides]
    return Size(
        trained=_count(body, is_trained=True),
        frozen=_count(body, is_trained=False),
        head_trained=_count(head, is_trained=True),
        head_frozen=_count(head, is_trained=False),
        attention=layers * width,
    )


def shape_of(rows: Sequence[Any]) -> tuple[float, float]:
    """The mean length of the rows' sequences and the share of their tokens that is completion; (0, 1) without any."""
    items = [item for row in rows for _, item in data.sequences(row)]
    tokens = sum(len(item.ids) for item in items)
    return (tokens / len(items), sum(item.length for item in items) / tokens) if tokens else (0.0, 1.0)


def _count(parameters: Sequence[torch.nn.Parameter], *, is_trained: bool) -> int:
    return sum(each.numel() for each in parameters if each.requires_grad == is_trained)
