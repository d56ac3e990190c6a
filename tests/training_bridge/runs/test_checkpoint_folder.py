"""Folders of weights, whole and broken."""

import json
from pathlib import Path

import numpy
import pytest
import safetensors.numpy

from tests.training_bridge.runs.rows import weights_folder
from training_bridge.runs import checkpoint_folder


def refusal(folder: Path, kind: str = "full") -> str:
    with pytest.raises(checkpoint_folder.BadFolder) as caught:
        checkpoint_folder.check(folder=folder, kind=kind)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def test_check_tells_what_a_whole_folder_holds(tmp_path: Path) -> None:
    found = checkpoint_folder.check(folder=weights_folder(tmp_path), kind="full")
    assert (found.model_type, found.tensor_count) == ("llama", 1)


def test_parameters_are_counted_from_the_headers(tmp_path: Path) -> None:
    folder = weights_folder(tmp_path / "w")
    safetensors.numpy.save_file({"a": numpy.zeros((3, 4)), "b": numpy.zeros(5)}, folder / "model.safetensors")
    assert checkpoint_folder.parameter_count(folder=folder) == 17
    assert checkpoint_folder.parameter_count(folder=tmp_path / "none") == 0


def test_check_refuses_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "There is no folder" in refusal(tmp_path / "nothing")


def test_check_refuses_pickles_and_says_how_to_convert_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    said = refusal(tmp_path)
    assert "pytorch_model.bin" in said
    assert "safe_serialization" in said


def test_check_refuses_a_folder_without_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert "holds no weights" in refusal(tmp_path)


def test_check_refuses_a_folder_without_config(tmp_path: Path) -> None:
    (weights_folder(tmp_path) / "config.json").unlink()
    assert "config.json" in refusal(tmp_path)


@pytest.mark.parametrize("cut", [0, 4, 20, -2])
def test_check_refuses_weights_that_were_cut_off(tmp_path: Path, cut: int) -> None:
    path = weights_folder(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    assert "model.safetensors is not a whole safetensors file" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content", [b"\xff" * 64, b"\x04" + b"\0" * 7 + b"[1]!", b"\x02" + b"\0" * 7 + b"[]", b"\x02" + b"\0" * 7 + b"{}"]
)
def test_check_refuses_a_header_that_is_none(tmp_path: Path, content: bytes) -> None:
    (weights_folder(tmp_path) / "model.safetensors").write_bytes(content)
    assert "not a whole safetensors file" in refusal(tmp_path)


def test_check_refuses_a_missing_shard(tmp_path: Path) -> None:
    index = {"weight_map": {"w": "model.safetensors", "v": "model-00002.safetensors"}}
    (weights_folder(tmp_path) / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00002.safetensors" in refusal(tmp_path)


def test_check_tells_an_adapter_from_full_weights(tmp_path: Path) -> None:
    assert "Register it as full weights" in refusal(weights_folder(tmp_path / "full"), kind="adapter")
    adapter = weights_folder(tmp_path / "adapter")
    (adapter / "config.json").rename(adapter / "adapter_config.json")
    assert "Register it as an adapter" in refusal(adapter)
    assert checkpoint_folder.check(folder=adapter, kind="adapter").kind == "adapter"
