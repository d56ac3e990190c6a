from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from training_bridge.formats import spec


def values(**changes: Any) -> dict[str, Any]:
    return {"method": "kto", "base": {"location": "base"}, "checkpoint_name": "new", **changes}


def test_read_gives_back_what_was_written(tmp_path: Path) -> None:
    asked = spec.RunSpec.from_dict(values(sampling={"per_prompt": 2}, hyperparameters={"beta": 0.2}, run_id=7))
    asked.write(tmp_path / "spec.json")
    assert spec.RunSpec.read(tmp_path / "spec.json") == asked


@pytest.mark.parametrize("method", spec.METHODS)
def test_from_dict_knows_every_method(method: str) -> None:
    assert spec.RunSpec.from_dict(values(method=method)).method == method


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"method": "ppo"}, "method is 'ppo'"),
        ({"method": None}, "method is None"),
        ({"base": None}, "base is missing"),
        ({"base": {}}, "base: location missing"),
        ({"base": {"location": 3}}, "base.location is 3; expected str"),
        ({"checkpoint_name": 3}, "spec.checkpoint_name"),
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"run_id": "seven"}, "spec.run_id is 'seven'"),
        ({"run_id": True}, "spec.run_id is True"),
        ({"hyperparameters": {"learning_rte": 1e-4}}, "unknown field 'learning_rte'"),
        ({"hyperparameters": {"max_steps": 1.5}}, "hyperparameters.max_steps is 1.5; expected int"),
        ({"hyperparameters": {"max_steps": True}}, "expected int"),
        ({"hyperparameters": {"max_steps": 0}}, "may not be below 1"),
        ({"hyperparameters": {"span_mask": 1}}, "expected bool"),
        ({"hyperparameters": {"learning_rate": float("nan")}}, "expected a finite number"),
        ({"hyperparameters": {"learning_rate": -1.0}}, "may not be below 0"),
        ({"hyperparameters": {"anchor_top_p": 1.5}}, "may not be above 1"),
        ({"hyperparameters": {"dtype": "float16"}}, "float32, bfloat16"),
        ({"hyperparameters": {"lr_schedule": "cosine"}}, "linear, constant"),
        ({"hyperparameters": {"long_rows": "truncate"}}, "refuse, drop, truncate_left"),
        ({"hyperparameters": {"max_length": -1}}, "may not be below 0"),
        ({"hyperparameters": {"probe_every": -1}}, "may not be below 0"),
        ({"hyperparameters": [1]}, "hyperparameters is missing or not an object"),
        ({"sampling": {"top_p": 0}}, "sampling.top_p"),
        ({"sampling": {"max_tokens": 5}}, "unknown field 'max_tokens'"),
    ],
)
def test_from_dict_refuses_and_names_the_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(spec.BadSpec) as caught:
        spec.RunSpec.from_dict(values(**changes))
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"), [(None, "is missing"), ("{", "not valid JSON"), ("[]", "not a JSON object"), ("\xff", "JSON")]
)
def test_read_refuses_a_broken_file(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "spec.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(spec.BadSpec, match=says):
        spec.RunSpec.read(tmp_path / "spec.json")


def test_checks_are_carried_and_checked(tmp_path: Path) -> None:
    declared = [{"check": "length", "most": 9}, {"check": "pattern", "pattern": "!", "most": 0, "name": "calm"}]
    asked = spec.RunSpec.from_dict(values(method="nsr", checks=declared))
    asked.write(tmp_path / "spec.json")
    assert json.loads((tmp_path / "spec.json").read_text())["checks"] == declared
    assert spec.RunSpec.read(tmp_path / "spec.json") == asked
    assert asked.checks == tuple(declared)


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("length", "checks is not a list"),
        ({"check": "length"}, "checks is not a list"),
        ([{"check": "max_size"}], "checks: check 1 is 'max_size'; it may be"),
        (
            [{"check": "length", "most": 1}, {"check": "python", "function": "os.system"}],
            "checks: check 2 (python)",
        ),
    ],
)
def test_from_dict_refuses_checks_that_cannot_be_made(declared: Any, says: str) -> None:
    with pytest.raises(spec.BadSpec) as caught:
        spec.RunSpec.from_dict(values(checks=declared))
    assert says in str(caught.value)


def test_every_number_has_a_range() -> None:
    """A new hyperparameter without a range would be checked for its type only."""
    numbers = {each.name for each in dataclasses.fields(spec.Hyperparameters) if each.type in ("int", "float")}
    assert numbers - {"seed"} == spec.HYPERPARAMETER_RANGES.keys()
    numbers = {each.name for each in dataclasses.fields(spec.Sampling) if each.type in ("int", "float")}
    assert numbers - {"seed"} == spec.SAMPLING_RANGES.keys()


def test_to_json_is_the_same_for_the_same_spec() -> None:
    text = spec.RunSpec.from_dict(values()).to_json()
    assert text == spec.RunSpec.from_dict(json.loads(text)).to_json()
