"""What a folder of weights holds, told from its file names, JSON and safetensors headers: no weight is ever loaded."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FULL, ADAPTER = "full", "adapter"
CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
INDEX = "model.safetensors.index.json"
# pytorch_model.bin, *.pt and their kin are Python pickles: opening one runs whatever code its author put in.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
HEADER_MAX_BYTES = 100 * 1024 * 1024


class BadFolder(ValueError):
    """The folder cannot be used as a checkpoint. The message names the folder, what is wrong and what to do."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    kind: str
    model_type: str
    tensor_count: int
    byte_count: int


def check(*, folder: Path, kind: str) -> Weights:
    """Return what the folder holds. Raises BadFolder when it is not a whole checkpoint of `kind`."""
    if not folder.is_dir():
        raise BadFolder(f"There is no folder {folder}. Give the full path of a folder on the server.")
    config = _config(folder, kind)
    files = _weight_files(folder)
    counts = [len(_header(path)) for path in files]
    return Weights(
        kind=kind,
        model_type=str(config.get("model_type") or config.get("peft_type") or ""),
        tensor_count=sum(counts),
        byte_count=sum(path.stat().st_size for path in files),
    )


def parameter_count(*, folder: Path) -> int:
    """How many numbers the weights are, from the files' headers; 0 where none can be read."""
    try:
        headers = [_header(path) for path in _weight_files(folder)]
    except (BadFolder, OSError):
        return 0
    return sum(math.prod(facts["shape"]) for header in headers for facts in header)


def _config(folder: Path, kind: str) -> dict[str, Any]:
    if kind == ADAPTER:
        if not (folder / ADAPTER_CONFIG).is_file():
            raise BadFolder(f"{folder} has no {ADAPTER_CONFIG}, so it is not an adapter. Register it as full weights.")
        return _json(folder / ADAPTER_CONFIG)
    if (folder / CONFIG).is_file():
        return _json(folder / CONFIG)
    if (folder / ADAPTER_CONFIG).is_file():
        raise BadFolder(f"{folder} holds an adapter. Register it as an adapter, and name the checkpoint it belongs to.")
    raise BadFolder(f"{folder} has no {CONFIG}. Save the model there with save_pretrained, then register it again.")


def _weight_files(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.glob("*.safetensors") if path.is_file())
    if not found:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
        if pickles:
            raise BadFolder(
                f"{folder} has its weights in {pickles[0]}, a pickle file: opening one can run any program, so it is"
                " refused. Save the model with save_pretrained(..., safe_serialization=True) and register that folder."
            )
        raise BadFolder(
            f"{folder} holds no weights (no *.safetensors file). Save the model there with save_pretrained first."
        )
    missing = sorted(_indexed(folder) - {path.name for path in found})
    if missing:
        raise BadFolder(f"{folder} is not whole: {INDEX} names {missing[0]}, which is not there. Copy it again.")
    return found


def _indexed(folder: Path) -> set[str]:
    if not (folder / INDEX).is_file():
        return set()
    weight_map = _json(folder / INDEX).get("weight_map")
    return set(map(str, weight_map.values())) if isinstance(weight_map, dict) else set()


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadFolder(f"{path} cannot be read as JSON ({error}). Copy the folder again.") from error
    if not isinstance(value, dict):
        raise BadFolder(f"{path} is not a JSON object. Copy the folder again.")
    return value


def _header(path: Path) -> list[dict[str, Any]]:
    """What it says of each tensor: 8 bytes of length, that many bytes of JSON, then the data its offsets point into."""
    broken = BadFolder(f"{path} is not a whole safetensors file. Copy it again, or save the model again.")
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length <= min(size - 8, HEADER_MAX_BYTES):
                raise broken
            header = json.loads(file.read(length))
        tensors = [facts for name, facts in header.items() if name != "__metadata__"]
        data_bytes = max((facts["data_offsets"][1] for facts in tensors), default=0)
    except (OSError, ValueError, AttributeError, KeyError, IndexError, TypeError) as error:
        raise broken from error
    if not tensors or 8 + length + data_bytes > size:
        raise broken
    return tensors
