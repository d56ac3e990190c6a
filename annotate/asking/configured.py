"""The models that NEGATIVA_MODELS names: where each is, and how it is asked. Read once, when the process starts.

    {"local": {"base_url": "http://127.0.0.1:8080/v1", "model": "qwen3-8b"},
     "hosted": {"base_url": "https://models.example.org/v1", "model": "large", "api_key_env": "HOSTED_KEY"}}

The variable holds this object, or the path of a file with it. Keys stand in neither: `api_key_env` names a variable,
`api_key_file` a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pydantic
from pydantic import ConfigDict, Field, SecretStr

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}\Z")
LARGEST = 1_000_000
"""Bytes of a file of models, and of a file with a key."""


class BadModels(ValueError):
    """What NEGATIVA_MODELS says cannot be used. The message never holds a value from it."""


class Model(pydantic.BaseModel):
    """One model behind a server that speaks OpenAI's chat completions.

    `timeout` is in seconds, for one whole answer; `parallel` requests are under way at once for one check. Of
    `temperature` and `max_tokens` a null is not sent. `extra` are further fields of the request, as the server knows
    them. `key` never shows: not in a repr, a log or an error.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: str
    base_url: str
    model: str = Field(min_length=1, max_length=200)
    key: SecretStr = SecretStr("")
    timeout: float = Field(default=60, gt=0, le=600)
    parallel: int = Field(default=4, ge=1, le=64)
    temperature: float | None = Field(default=0, ge=0, le=2)
    max_tokens: int | None = Field(default=1000, ge=1)
    extra: dict[str, Any] = Field(default_factory=dict)

    @pydantic.field_validator("base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with http:// or https:// and name a host")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("it must have no user, password, query or fragment; a key has its own place")
        return value.rstrip("/")

    @pydantic.field_validator("extra")
    @classmethod
    def _leaves_the_question(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := {"model", "messages", "stream", "n"} & value.keys():
            raise ValueError(f"it must not say {', '.join(sorted(taken))}")
        return value


def read(text: str, *, variable: Callable[[str], str]) -> dict[str, Model]:
    """Return the models by name; none of an empty text. `variable` returns the value of an environment variable.

    Raises BadModels with a sentence that names the model and the field.

    >>> read('{"local": {"base_url": "http://127.0.0.1:8080/v1/", "model": "m"}}', variable=lambda name: "")["local"]
    Model(name='local', base_url='http://127.0.0.1:8080/v1', model='m', key=SecretStr(''), timeout=60, parallel=4, \
temperature=0, max_tokens=1000, extra={})
    """
    said = text.strip()
    if not said:
        return {}
    written = said if said[0] in "{[" else _content(Path(said))
    try:
        values = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise BadModels(f"this is no JSON: {_where(error)}") from error
    if not isinstance(values, dict):
        raise BadModels('it must be an object: {"a name": {"base_url": ..., "model": ...}}')
    return {name: _model(name, each, variable) for name, each in values.items()}


def _where(error: BaseException) -> str:
    return f"{error.msg} in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _model(name: str, values: Any, variable: Callable[[str], str]) -> Model:
    if not NAME.match(name):
        raise BadModels("a name has 1 to 60 letters of ASCII, digits, dots, hyphens and underscores")
    if not isinstance(values, dict) or {"name", "key"} & values.keys():
        raise BadModels(
            f"{name}: it must be an object with base_url and model; its key has api_key_env or api_key_file"
        )
    told = {field: value for field, value in values.items() if field not in ("api_key_env", "api_key_file")}
    try:
        return Model(name=name, key=SecretStr(_key(name, values, variable)), **told)
    except pydantic.ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise BadModels(f"{name}: {wrong}") from None


def _key(name: str, values: Mapping[str, Any], variable: Callable[[str], str]) -> str:
    said = {field: values[field] for field in ("api_key_env", "api_key_file") if field in values}
    if len(said) > 1 or not all(isinstance(each, str) and each for each in said.values()):
        raise BadModels(f"{name}: say api_key_env or api_key_file, one of them, as a text")
    if not said:
        return ""
    [(field, where)] = said.items()
    key = (variable(where) if field == "api_key_env" else _content(Path(where))).strip()
    if not key or not key.isascii() or not key.isprintable():
        raise BadModels(f"{name}: there is no key where {field} says")
    return key


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadModels(f"the file that it names cannot be read ({type(error).__name__})") from error
