from __future__ import annotations

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from annotate.asking import configured

LOCAL = {"base_url": "http://127.0.0.1:8080/v1", "model": "small"}


def read(values: Any, **variables: str) -> dict[str, configured.Model]:
    return configured.read(json.dumps(values), variable=lambda name: variables.get(name, ""))


def test_examples() -> None:
    assert doctest.testmod(configured).failed == 0


def test_read_takes_an_object_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"local": LOCAL}))
    assert configured.read(str(file), variable=lambda name: "") == read({"local": LOCAL})
    assert configured.read(" ", variable=lambda name: "") == {}


def test_key_comes_from_a_variable_or_a_file_and_never_shows(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-file\n")
    by_name = read({"one": {**LOCAL, "api_key_env": "KEY"}, "two": {**LOCAL, "api_key_file": str(file)}}, KEY="sk-env")
    assert [each.key.get_secret_value() for each in by_name.values()] == ["sk-env", "sk-file"]
    assert "sk-" not in repr(by_name) + str(by_name) + by_name["one"].model_dump_json()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([], "it must be an object"),
        ({"a b": LOCAL}, "a name has 1 to 60"),
        ({"": LOCAL}, "a name has 1 to 60"),
        ({"local": "http://127.0.0.1"}, "local: it must be an object"),
        ({"local": {"model": "m"}}, "local: base_url: Field required"),
        ({"local": {**LOCAL, "base_url": "file:///etc/passwd"}}, "must begin with http:// or https://"),
        ({"local": {**LOCAL, "base_url": "http://me:secret@host/v1"}}, "no user, password, query"),
        ({"local": {**LOCAL, "base_url": "http://host/v1?key=secret"}}, "no user, password, query"),
        ({"local": {**LOCAL, "api_key": "secret"}}, "local: api_key: Extra inputs are not permitted"),
        ({"local": {**LOCAL, "key": "secret"}}, "its key has api_key_env or api_key_file"),
        ({"local": {**LOCAL, "api_key_env": "NOT_THERE"}}, "no key where api_key_env says"),
        ({"local": {**LOCAL, "api_key_file": "/nowhere/secret"}}, "cannot be read"),
        ({"local": {**LOCAL, "api_key_env": "A", "api_key_file": "/b"}}, "one of them"),
        ({"local": {**LOCAL, "api_key_env": "TWO_LINES"}}, "no key where"),
        ({"local": {**LOCAL, "timeout": 0}}, "local: timeout"),
        ({"local": {**LOCAL, "parallel": 1000}}, "local: parallel"),
        ({"local": {**LOCAL, "extra": {"messages": []}}}, "it must not say messages"),
    ],
)
def test_read_refuses_with_a_sentence_that_holds_no_secret(values: Any, says: str) -> None:
    with pytest.raises(configured.BadModels, match=says) as refused:
        read(values, TWO_LINES="sk\nsecret: b")
    assert "secret" not in str(refused.value)
