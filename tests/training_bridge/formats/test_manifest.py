from __future__ import annotations

from pathlib import Path

import pytest

from training_bridge.formats import manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "sub" / "b.txt").write_text("b")
    return tmp_path


def test_verify_accepts_what_write_wrote(folder: Path) -> None:
    sha256 = manifest.write(folder, {"method": "kto"})
    found = manifest.verify(folder)
    assert found["method"] == "kto"
    assert found["files"].keys() == {"a.txt", "sub/b.txt"}
    assert sha256 == manifest.sha256_of(folder / manifest.NAME)


def test_write_twice_gives_the_same_bytes(folder: Path) -> None:
    assert manifest.write(folder, {"b": 1, "a": 2}) == manifest.write(folder, {"a": 2, "b": 1})


def test_verify_names_the_file_that_differs(folder: Path) -> None:
    manifest.write(folder, {})
    (folder / "sub" / "b.txt").write_text("B")
    with pytest.raises(manifest.BrokenManifest, match=r"sub/b\.txt differs"):
        manifest.verify(folder)


def test_verify_names_the_file_that_is_missing(folder: Path) -> None:
    manifest.write(folder, {})
    (folder / "a.txt").unlink()
    with pytest.raises(manifest.BrokenManifest, match=r"a\.txt is missing"):
        manifest.verify(folder)


def test_verify_refuses_an_unfinished_folder(folder: Path) -> None:
    assert manifest.read(folder) is None
    with pytest.raises(manifest.BrokenManifest, match="not finished"):
        manifest.verify(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": {"../outside": {"sha256": "x"}}}', '{"files": {"a": 1}}'])
def test_verify_refuses_a_broken_or_reaching_manifest(folder: Path, text: str) -> None:
    (folder / manifest.NAME).write_text(text)
    with pytest.raises(manifest.BrokenManifest):
        manifest.verify(folder)
