"""The output must be JSON, and fit a schema."""

from __future__ import annotations

import contextvars
import functools
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from training_bridge.formats.checks import finding, json_places, patterns

LONGEST_SCHEMA = 20_000
DEEPEST_SCHEMA = 20
MOST_ERRORS = 20
DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS = ("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "$defs", "dependentSchemas")
PLAIN = (
    "$ref", "$schema", "$comment", "title", "description", "default", "examples", "type", "enum", "const", "required",
    "minProperties", "maxProperties", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minLength",
    "maxLength", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "dependentRequired",
)  # fmt: skip
KEYS = (*SCHEMAS, *LISTS, *MAPS, *PLAIN)

_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("deadline")


@dataclass(frozen=True, kw_only=True)
class JsonSchema:
    """`schema` is JSON Schema, draft 2020-12, read by the library jsonschema; without one any JSON passes.

    A key that it would ignore is refused, so that a misspelt one does not let everything through; so is a `$ref` that
    leaves the schema: nothing is fetched. `pattern` is RE2's. JSON is read strictly: no NaN, no key twice, 50 levels.
    With `fences` the output may stand in one code fence. At most MOST_ERRORS errors are listed, each at its value.

    >>> check = JsonSchema(schema={"required": ["age"], "properties": {"age": {"type": "integer"}}})
    >>> check.findings(prompt="", output='{"age": "9"}')
    [Finding(message="age: '9' is not of type 'integer'", start=8, end=11)]
    """

    schema: dict[str, Any] | None = None
    fences: bool = False

    def __post_init__(self) -> None:
        if self.schema is not None:
            _check_schema(self.schema)
            _ = self._validator

    @functools.cached_property
    def _validator(self) -> Any:
        from jsonschema import exceptions

        made = _validator_class()
        try:
            made.check_schema(self.schema)
        except exceptions.SchemaError as error:
            place = "/".join(map(str, error.absolute_path))
            raise ValueError(f"schema{f' at {place}' if place else ''}: {finding.quote(error.message)}") from error
        return made(self.schema, registry=_no_others())

    def findings(self, *, prompt: str, output: str) -> list[finding.Finding]:
        text, begins = json_places.fenced(output) if self.fences else (output, 0)
        try:
            value = json_places.read(text)
        except json_places.BadJson as error:
            at = min(begins + error.at, max(0, len(output) - 1))
            return [finding.Finding(message=f"No JSON: {error}.", start=at, end=len(output)) if output else EMPTY]
        return [] if self.schema is None else self._misfits(value, text, begins)

    def _misfits(self, value: Any, text: str, begins: int) -> list[finding.Finding]:
        token = _deadline.set(time.thread_time() + patterns.SECONDS)
        try:
            errors = list(islice(self._validator.iter_errors(value), MOST_ERRORS))
        except (patterns.TooMuch, RecursionError, OverflowError):
            return [finding.Finding(message="Not checked to its end: it takes too long, or goes too deep.")]
        finally:
            _deadline.reset(token)
        places = json_places.Places(text)
        return [_finding(each, places, begins) for each in errors]


EMPTY = finding.Finding(message="No JSON: the output is empty.")


def _finding(error: Any, places: json_places.Places, begins: int) -> finding.Finding:
    path = list(error.absolute_path)
    start, end = places.span(path)
    place = ".".join(map(str, path))
    message = f"{finding.quote(place)}: {_cut(error.message)}" if place else _cut(error.message)
    return finding.Finding(message=message, start=begins + start, end=begins + end)


def _cut(message: str) -> str:
    """The library begins with the value, however long, and ends with what is wrong with it."""
    half = 2 * finding.LONGEST_QUOTE
    return message if len(message) <= 2 * half else f"{message[:half]}…{message[-half:]}"


def _check_schema(schema: Mapping[str, Any]) -> None:
    """Raise ValueError for a schema that is too large, or has a key that would not be checked."""
    try:
        size = len(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("schema must be plain JSON") from error
    if size > LONGEST_SCHEMA:
        raise ValueError(f"schema has {size:,} characters as JSON; {LONGEST_SCHEMA:,} are taken")
    _check_keys(schema, depth=0)


def _check_keys(schema: Any, *, depth: int) -> None:
    if not isinstance(schema, Mapping):
        return
    if depth > DEEPEST_SCHEMA:
        raise ValueError(f"schema is nested more than {DEEPEST_SCHEMA} levels deep")
    for key, value in schema.items():
        if key not in KEYS:
            raise ValueError(f"schema has the key {key!r}, which is not taken; it may have {', '.join(sorted(KEYS))}")
        _check_value(key, value)
        for child in _children(key, value):
            _check_keys(child, depth=depth + 1)


def _check_value(key: str, value: Any) -> None:
    if key == "$ref" and not str(value).startswith("#"):
        raise ValueError(f"schema refers to {value!r}; only places within it can be referred to, such as #/$defs/x")
    if key == "$schema" and value != DIALECT:
        raise ValueError(f"$schema is {value!r}; expected {DIALECT!r}")
    if key == "pattern":
        patterns.compiled(str(value))


def _children(key: str, value: Any) -> list[Any]:
    if key in SCHEMAS:
        return [value]
    if key in LISTS and isinstance(value, list):
        return value
    return list(value.values()) if key in MAPS and isinstance(value, Mapping) else []


@functools.cache
def _validator_class() -> Any:
    """The library's validator with RE2 for patterns, unique items in linear time, and a clock in every keyword."""
    import jsonschema
    from jsonschema import validators

    ours = {"pattern": _pattern, "uniqueItems": _unique_items}
    known = {
        key: jsonschema.Draft202012Validator.VALIDATORS[key]
        for key in KEYS
        if key in jsonschema.Draft202012Validator.VALIDATORS
    }
    return validators.extend(
        jsonschema.Draft202012Validator, {key: _timed(each) for key, each in {**known, **ours}.items()}
    )


@functools.cache
def _no_others() -> Any:
    """A registry that has no other schemas and fetches none."""
    import referencing

    return referencing.Registry()


def _timed(keyword: Any) -> Any:
    def run(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        if time.thread_time() > _deadline.get(float("inf")):
            raise patterns.TooMuch("Not checked to its end.")
        return keyword(validator, value, instance, schema)

    return run


def _pattern(validator: Any, value: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import exceptions

    if isinstance(instance, str) and next(patterns.spans(patterns.compiled(value), instance), None) is None:
        yield exceptions.ValidationError(f"{finding.quote(instance)!r} does not match {value!r}")


def _unique_items(validator: Any, value: bool, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import exceptions

    if value and isinstance(instance, list) and len({_key(each) for each in instance}) < len(instance):
        yield exceptions.ValidationError("has an element twice")


def _key(value: Any) -> Any:
    """What equal JSON values share: 1 is 1.0 and not true. Numbers as text, whose hashes nobody can make collide."""
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, dict):
        return "object", frozenset((key, _key(each)) for key, each in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return type(value).__name__, str(value)
