"""config.json and the tokenizer are written by hand: `transformers` must read them as if it had written them."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from training_bridge.demo import model_files, world, writing

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("base")
    model_files.write(folder=place, shape=model_files.Shape())
    return place


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder)


def test_write_makes_a_model_of_about_the_promised_size(folder: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_config(config)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert 500_000 < model.num_parameters() < 1_000_000


def test_write_twice_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    model_files.write(folder=tmp_path, shape=model_files.Shape())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_the_tokenizer_has_a_token_for_every_word_and_number_of_the_world(tokenizer: Any) -> None:
    rng = random.Random(1)
    for problem in islice(world.problems(world.PRETRAIN, seed=1), 200):
        text = writing.write(problem, rng, writing.Rates())
        tokens = tokenizer.tokenize(f"{problem.prompt}{text}")
        words = "".join(each if each.isalnum() else " " for each in f"{problem.prompt} {text}").split()
        assert {token.strip() for token in tokens} >= set(words)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=80))
def test_the_tokenizer_loses_nothing_of_any_text(tokenizer: Any, text: str) -> None:
    found = tokenizer(text, return_offsets_mapping=True)
    assert tokenizer.decode(found["input_ids"]) == text
    assert all(0 <= start <= end <= len(text) for start, end in found["offset_mapping"])
