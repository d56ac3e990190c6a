from __future__ import annotations

import base64
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from tests.training_bridge.trainer import sentences
from training_bridge.trainer import embedding, errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentences.folder(tmp_path_factory.mktemp("sentences"))


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copied"))


def test_embed_is_the_mean_of_the_tokens_scaled_to_one(folder: Path) -> None:
    embed, width = embedding.opened(folder)
    model = transformers.BertModel.from_pretrained(folder).eval()  # type: ignore[no-untyped-call]
    ids = torch.tensor([[sentences.WORDS.index(word) for word in ("the", "date", "is", "wrong")]])
    with torch.no_grad():
        mean = model(input_ids=ids).last_hidden_state[0].mean(dim=0).numpy()
    assert width == 16
    np.testing.assert_allclose(embed("the date is wrong"), mean / np.linalg.norm(mean), atol=1e-6)


def test_embed_of_a_text_is_the_same_whatever_came_before(folder: Path) -> None:
    first, _ = embedding.opened(folder)
    again, _ = embedding.opened(folder)
    told = first("the unit is wrong").tobytes()
    again("a date of the source is missing")
    assert again("the unit is wrong").tobytes() == told != first("the date is missing").tobytes()


def test_embed_takes_an_empty_text_and_one_that_is_too_long(folder: Path) -> None:
    embed, width = embedding.opened(folder)
    assert all(np.isfinite(embed(text)).all() and len(embed(text)) == width for text in ("", "date " * 400))


def test_lines_are_answered_in_their_order(folder: Path) -> None:
    told = io.StringIO()
    asked = io.StringIO('"the date"\n"the \\n unit"\n"the date"\n')
    assert embedding.main([str(folder)], asked=asked, told=told) == 0
    width, *answers = map(json.loads, told.getvalue().splitlines())
    vectors = [np.frombuffer(base64.b64decode(each["vector"]), "<f4") for each in answers]
    assert width == {"width": 16}
    assert [len(each) for each in vectors] == [16, 16, 16]
    assert vectors[0].tobytes() == vectors[2].tobytes() != vectors[1].tobytes()


def refusal(folder: Path) -> str:
    with pytest.raises(errors.Refused) as refused:
        embedding.opened(folder)
    return str(refused.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "is not a folder on this machine" in refusal(tmp_path / "none")


def test_a_folder_of_another_kind_is_refused(copied: Path) -> None:
    (copied / "modules.json").unlink()
    assert "has no modules.json" in refusal(copied)


@pytest.mark.parametrize("content", ["{", "[1]", '[{"idx": 0}]', "{}x"])
def test_a_list_of_modules_that_is_none_is_refused(copied: Path, content: str) -> None:
    (copied / "modules.json").write_text(content)
    assert "modules.json that cannot be read" in refusal(copied)


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    (copied / "pytorch_model.bin").write_bytes(b"\x80")
    assert "only as a pickle" in refusal(copied)


def test_missing_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    assert "could not be loaded" in refusal(copied)


def test_a_module_outside_the_folder_is_refused(copied: Path) -> None:
    (copied / "modules.json").write_text(json.dumps([{**sentences.MODULES[0], "path": "../elsewhere"}]))
    assert "outside it" in refusal(copied)


def test_code_of_the_folder_is_not_run(copied: Path) -> None:
    (copied / "own.py").write_text(f"open({str(copied / 'ran')!r}, 'w')\nclass Own: pass\n")
    (copied / "modules.json").write_text(json.dumps([*sentences.MODULES, {"path": "", "type": "own.Own", "idx": 2}]))
    assert "could not be loaded" in refusal(copied)
    assert not (copied / "ran").exists()
