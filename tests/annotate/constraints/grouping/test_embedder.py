"""A sentence model of the deployment's own: a real folder, in a real process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from annotate.constraints.grouping import clustering, embedder
from annotate.constraints.grouping.clustering import Item, Tuning
from annotate.constraints.grouping.embedding import Embed, Text
from tests.training_bridge.trainer import sentences

SAID = ["the date is wrong", "the unit is wrong", "a date of the source is missing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentences.folder(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept") / "embeddings.sqlite3"


@pytest.fixture(scope="module")
def embed(folder: Path, kept: Path) -> Iterator[Embed]:
    with embedder.opened(folder=folder, kept=kept) as found:
        found(["start"])
        yield found


def test_the_same_text_has_the_same_vector_whatever_stands_beside_it(embed: Embed) -> None:
    together, alone = embed(SAID), embed(SAID[1:2])
    assert together.shape == (3, 16)
    assert together[1].tobytes() == alone[0].tobytes()
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-6)


def test_no_process_is_started_for_what_was_embedded_before(
    embed: Embed, folder: Path, kept: Path, settings: SimpleNamespace
) -> None:
    told = embed(SAID)
    settings.TRAINER_PYTHON = "/no/such/python"
    with embedder.opened(folder=folder, kept=kept) as again:
        assert again(SAID[::-1]).tobytes() == told[::-1].tobytes()
        with pytest.raises(embedder.CannotEmbed, match="could not be started"):
            again(["something new"])


def test_a_changed_folder_is_another_model(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    before = embedder.fingerprint(copied)
    os.utime(copied / "model.safetensors", (1, 1))
    assert embedder.fingerprint(copied) != before != embedder.fingerprint(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, settings: SimpleNamespace) -> None:
    settings.EMBEDDER = str(tmp_path / "none")
    with (
        pytest.raises(embedder.CannotEmbed, match="none is not a folder on this machine"),
        embedder.configured(),
    ):
        raise AssertionError


@pytest.mark.parametrize("answer", ["", "no json", "[1]", '{"width": 3}'])
def test_a_process_that_says_nothing_of_use_is_an_outside_error(
    answer: str, tmp_path: Path, settings: SimpleNamespace
) -> None:
    other = tmp_path / "python"
    other.write_text(f"#!/bin/sh\necho '{answer}'\n")
    other.chmod(0o700)
    settings.TRAINER_PYTHON = str(other)
    with (
        embedder.opened(folder=tmp_path, kept=tmp_path / "embeddings.sqlite3") as embed,
        pytest.raises(embedder.CannotEmbed),
    ):
        embed(SAID)


def test_only_so_many_vectors_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "KEPT", 2)
    with embedder.Kept(tmp_path / "kept", folder=tmp_path) as kept:
        for number, text in enumerate(SAID):
            kept.write({text: np.full(3, number, np.float32)})
        assert sorted(kept.read(SAID)) == sorted(SAID[1:])


def test_without_a_folder_there_is_none(settings: SimpleNamespace) -> None:
    settings.EMBEDDER = ""
    with embedder.configured() as embed:
        assert embed is None


def test_groups_are_found_with_a_sentence_model(embed: Embed) -> None:
    dates = [Item(number, Text(f"the date is {'wrong ' * number}")) for number in range(1, 7)]
    units = [Item(number, Text(f"a source of the unit not in {'missing ' * (number - 6)}")) for number in range(7, 13)]
    tuning = Tuning(embed=embed)
    found = clustering.group(items=[*dates, *units], tuning=tuning)
    again = clustering.group(items=[*units, *dates][::-1], tuning=tuning)
    assert found == again
    assert any(set(each.members) <= set(range(1, 7)) for each in found.groups)
