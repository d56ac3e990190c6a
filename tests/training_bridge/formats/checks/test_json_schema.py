from __future__ import annotations

from typing import Any

import pytest

from tests.training_bridge.formats.checks.asking import found, marked, messages

ANY = {"check": "json_schema"}


def of(**schema: Any) -> dict[str, Any]:
    return {**ANY, "schema": schema}


@pytest.mark.parametrize("output", ["{}", " [1, 2.5e3, null]\n", '"é"', "-0", '{"a": {"a": "\\u0000"}}'])
def test_json_passes(output: str) -> None:
    assert found(ANY, output) == []


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("", "the output is empty"), ("{'a': 1}", "Expecting property name"), ("{} {}", "Extra data"),
        ("NaN", "NaN is no JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is said twice"), ("[" * 51 + "]" * 51, "more than 50 levels"),
        ("9" * 5000, "Exceeds the limit"), ("```json\n{}\n```", "Expecting value"), ('{"a": "', "Unterminated string"),
    ],
)  # fmt: skip
def test_json_is_read_strictly(output: str, says: str) -> None:
    [said] = messages(ANY, output)
    assert says in said


def test_fences_may_stand_around() -> None:
    fenced = {**of(type="array"), "fences": True}
    assert found(fenced, "```json\n[1]\n```\n") == []
    assert found(fenced, "[1]") == []
    assert marked(fenced, "```\n{}\n```") == ["{}"]


def test_errors_stand_at_their_values() -> None:
    schema = of(
        properties={
            "name": {"type": "string", "pattern": "^[A-Z]"},
            "tags": {"items": {"enum": ["a", "b"]}, "uniqueItems": True},
            "next": {"$ref": "#"},
        },
        required=["name"],
        additionalProperties=False,
    )
    output = '{"name": "ada", "tags": ["a", "c", "a"], "next": {"name": "B", "age": 1}}'
    assert sorted(marked(schema, output)) == sorted(['"ada"', '"c"', '["a", "c", "a"]', '{"name": "B", "age": 1}'])
    assert marked(schema, "{}") == ["{}"]
    assert found(of(uniqueItems=True), '[1, true, "1", [1], {"a": 1}, {"a": true}]') == []
    assert messages(of(uniqueItems=True), "[1, 1.0]") == ["has an element twice"]


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"requird": ["a"]}, "has the key 'requird', which is not taken"),
        ({"properties": {"a": {"format": "date"}}}, "has the key 'format'"),
        ({"allOf": [{"patternProperties": {}}]}, "has the key 'patternProperties'"),
        ({"$ref": "http://127.0.0.1/x"}, "only places within it"),
        ({"$ref": "file:///etc/passwd"}, "only places within it"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "$schema is"),
        ({"type": "thing"}, "schema at type"),
        ({"pattern": "(?=a)"}, "is no regular expression of RE2's"),
        ({"title": "x" * 20_000}, "20,000 are taken"),
    ],
)
def test_schemas_that_are_refused(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="check 1") as caught:
        found({**ANY, "schema": schema}, "1")
    assert says in str(caught.value)


def test_properties_may_be_called_like_keywords_or_otherwise() -> None:
    assert found(of(properties={"format": {"type": "string"}, "foo": {}}), '{"format": "x"}') == []


def test_a_schema_that_doubles_forever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty levels of "both of the next": 2^40 looks at one value, hours of them."""
    monkeypatch.setattr("training_bridge.formats.checks.patterns.SECONDS", 0.2)
    defs = {f"d{at}": {"allOf": [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(40)}
    schema = of(**{"$ref": "#/$defs/d0", "$defs": {**defs, "d40": {}}})
    assert "Not checked to its end" in messages(schema, "1")[0]
    assert "Not checked to its end" in messages(of(**{"$ref": "#"}), "1")[0]
