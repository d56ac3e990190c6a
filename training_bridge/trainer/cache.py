"""Log-probs of starting models on disk, for the next run that begins with the same weights.

    <beside the run folders>/reference-logprobs/<key of the model>/<sha256 of the file>.safetensors

A file holds some rows and is never changed: trainers that write at once write different files, without a lock. It is
written under another name, flushed to the disk and renamed, and one whose content does not have the sha256 of its name
is passed over. The folder may be deleted at any time: it costs the next run the time to compute its rows again.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import uuid
from collections.abc import Collection, Mapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import transformers
from torch import Tensor

from training_bridge.formats import rundir, spec
from training_bridge.trainer import data, models

NAME = "reference-logprobs"
NOT_THE_MODEL = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
HASHERS = 8


@dataclass(frozen=True, kw_only=True)
class Cache:
    """The rows of one starting model."""

    folder: Path

    def read(self, *, wanted: Collection[bytes]) -> dict[bytes, Tensor]:
        """Log-probs, float32 on the CPU, by the rows' keys, of those wanted that are there. Raises OSError."""
        found: dict[bytes, Tensor] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != path.stem:
                continue
            stored = safetensors.torch.load(content)
            rows = torch.split(stored["values"], stored["lengths"].tolist())
            for key, row in zip(stored["keys"], rows, strict=True):
                name = bytes(key.tolist())
                if name in wanted:
                    found.setdefault(name, row.clone())
        return found

    def add(self, rows: Mapping[bytes, Tensor]) -> None:
        """Keep these rows. Raises OSError; then nothing is left behind."""
        content = safetensors.torch.save(
            {
                "keys": torch.tensor([list(key) for key in rows], dtype=torch.uint8),
                "lengths": torch.tensor([len(row) for row in rows.values()]),
                "values": torch.cat(list(rows.values())),
            }
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{uuid.uuid4().hex}.unfinished"
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.folder / f"{hashlib.sha256(content).hexdigest()}.safetensors")
        finally:
            unfinished.unlink(missing_ok=True)


def of(*, run: rundir.RunDir, base: spec.Base, policy: models.Policy) -> Cache | None:
    """The cache of these weights, which all runs in one folder share; None for a model that no other run can name."""
    is_download = getattr(policy.model.config, "_commit_hash", None) is not None
    if not Path(base.location).is_dir() and not is_download:
        return None
    return Cache(folder=run.path.resolve().parent / NAME / key_of_model(policy))


def key_of_row(item: data.Encoded) -> bytes:
    """sha256 over the prompt's length and all token ids.

    Tokenizer and template are not in any key: they only decide which ids a text becomes, and the model sees nothing
    but ids. So a mended template recomputes the rows that it changes, and no others.
    """
    return hashlib.sha256(struct.pack(f"<{len(item.ids) + 1}q", item.prompt_length, *item.ids)).digest()


def key_of_model(policy: models.Policy) -> str:
    """sha256 over the weights as they stand in memory, the configuration, and what rounds their numbers.

    The last is the precision of the computation, the kind of device, and the versions of torch and transformers. The
    weights in memory are what answers, whatever file, merged adapter or training they come from, so a model that has
    moved never reads or writes the rows of the one it was. An adapter that adds nothing yet is the base, and so is one
    that is switched off.
    """
    config = {name: value for name, value in policy.model.config.to_dict().items() if name not in NOT_THE_MODEL}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for fact in (policy.dtype, policy.device.type, torch.__version__, transformers.__version__):
        digest.update(f"\n{fact}".encode())
    weights = _weights(policy.model)
    # hashlib lets other threads run, and one would read 7B weights for half a minute.
    with futures.ThreadPoolExecutor(max_workers=min(HASHERS, os.cpu_count() or 1)) as pool:
        for name, told in zip(weights, pool.map(_digest_of, weights.values()), strict=True):
            digest.update(f"\n{name} {told}".encode())
    return digest.hexdigest()


def _weights(model: Any) -> dict[str, Tensor]:
    """Parameters and buffers by the names they have without PEFT, in order."""
    found = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    is_off = any(getattr(module, "disable_adapters", False) is True for module in model.modules())
    if is_off or not any(each.any() for name, each in found.items() if ".lora_B." in name):
        found = {name: each for name, each in found.items() if ".lora_" not in name}
    plain = {name.removeprefix("base_model.model.").replace(".base_layer.", "."): each for name, each in found.items()}
    return dict(sorted(plain.items()))


def _digest_of(weight: Tensor) -> str:
    raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    return f"{weight.dtype} {tuple(weight.shape)} {hashlib.sha256(raw).hexdigest()}"
